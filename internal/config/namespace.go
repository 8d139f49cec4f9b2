package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"maru.example/maru"
)

// Namespace is a table [namespaces.NAME] of the file: the rules of the channels and methods NAME:…,
// and their retention. An action without a rule is refused. Retention that is not set
// here is that of the options for all namespaces.
//
// Namespaces can be in the file only, since a flag cannot hold a table.
type Namespace struct {
	Subscribe maru.Rule `toml:"subscribe"` // receive publications
	Publish   maru.Rule `toml:"publish"`
	History   maru.Rule `toml:"history"`  // read earlier publications, and recover missed ones
	Presence  maru.Rule `toml:"presence"` // see the people in a channel
	RPC       maru.Rule `toml:"rpc"`      // call the methods NAME:…

	HistoryCount *int            `toml:"history_count"` // publications kept in each channel; 0 keeps none
	HistoryAge   *Duration       `toml:"history_age"`
	HistoryBytes *Bytes          `toml:"history_bytes"` // of the namespace
	Durability   maru.Durability `toml:"durability"`    // what a publication survives; default: the most that data or nats has

	KeyFrom string  `toml:"key_from"` // JSON pointer (RFC 6901) to the key in the data, for publications without a key
	MaxHz   float64 `toml:"max_hz"`   // most publications of each key a second for a subscription, see maru.CheckMaxHz; 0 is no limit
}

// isPointer reports whether text is a JSON pointer (RFC 6901) into a document.
func isPointer(text string) bool {
	escapes := strings.NewReplacer("~0", "", "~1", "").Replace(text)
	return strings.HasPrefix(text, "/") && !strings.Contains(escapes, "~")
}

// Retention is the retention of the namespace; values that it does not set are those of s.
func (s *Serve) Retention(n Namespace) maru.Retention {
	count, age, bytes := s.History, s.HistoryAge, s.HistoryBytes
	if n.HistoryCount != nil {
		count = *n.HistoryCount
	}
	if n.HistoryAge != nil {
		age = *n.HistoryAge
	}
	if n.HistoryBytes != nil {
		bytes = *n.HistoryBytes
	}
	if count == 0 {
		count = -1 // none
	}
	r := maru.Retention{Publications: count, Age: time.Duration(age), Bytes: int64(bytes), Durability: n.Durability}
	if r.Durability == maru.UnsaidDurability {
		r.Durability = s.durability()
	}
	return r
}

// durability is the most that what keeps histories promises.
func (s *Serve) durability() maru.Durability {
	switch {
	case s.Data != "", len(s.NATS) > 0 && s.NATSSynced:
		return maru.Sync
	case len(s.NATS) > 0:
		return maru.Interval
	}
	return maru.InMemory
}

// checkDurability reports what is missing for a durability, as the end of a sentence.
func (s *Serve) checkDurability(wanted maru.Durability) error {
	switch most := s.durability(); {
	case wanted <= most: // memory, interval and sync, in this order
		return nil
	case most == maru.Interval:
		return errors.New("needs servers of NATS that sync always: set sync_interval: always on all of them and nats-synced here, or write interval")
	}
	return errors.New("needs the option data with a directory, or nats")
}

func (s *Serve) checkNamespaces() error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(s.Namespaces)) {
		n := s.Namespaces[name]
		bad := func(key, message string, args ...any) {
			path := strings.TrimSuffix("namespaces."+name+"."+key, ".")
			wrong = append(wrong, fmt.Errorf(path+": "+message, args...))
		}
		if maru.CheckNamespace(name) != nil {
			bad("", "is not a valid namespace: it must be a valid channel name, without : and not beginning with $ (docs/contract.md §1)")
		}
		if n.HistoryCount != nil && *n.HistoryCount < 0 {
			bad("history_count", "is %d, but must be at least 0", *n.HistoryCount)
		}
		if n.HistoryAge != nil && time.Duration(*n.HistoryAge) < time.Millisecond {
			bad("history_age", `is %v, but must be at least 1ms; write it with its unit, as in "25s"`, *n.HistoryAge)
		}
		if n.HistoryBytes != nil && *n.HistoryBytes < 1 {
			bad("history_bytes", "is %d, but must be at least 1", *n.HistoryBytes)
		}
		if err := s.checkDurability(n.Durability); err != nil {
			bad("durability", "is %v, which %w", n.Durability, err)
		}
		if n.KeyFrom != "" && !isPointer(n.KeyFrom) {
			bad("key_from", "must be a JSON pointer such as /symbol, not %q", n.KeyFrom)
		}
		if n.RPC == maru.Own {
			bad("rpc", "is own, but a method belongs to nobody; write anyone, user, token, server or nobody")
		}
		if maru.CheckMaxHz(n.MaxHz) != nil {
			bad("max_hz", "is %v, but must be from %v to %v, or 0 for no limit", n.MaxHz, maru.MinHz, maru.MaxHz)
		}
	}
	if s.Open && s.Namespaces != nil {
		wrong = append(wrong, errors.New("open: allows everything to everybody and contradicts the rules of [namespaces]; remove one of them"))
	}
	return errors.Join(wrong...)
}
