package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"maru.example/maru"
)

// Namespace is a table [namespaces.NAME] of the file: who may do what in the
// channels NAME:…, and what they keep. What has no rule is refused; what is not said
// of the history is as the options of the same kind have it for all.
//
// It can stand in the file only: a flag could not hold it.
type Namespace struct {
	Subscribe maru.Rule `toml:"subscribe"` // get what is published
	Publish   maru.Rule `toml:"publish"`
	History   maru.Rule `toml:"history"`  // read what was published before, and recover it
	Presence  maru.Rule `toml:"presence"` // see who is there

	HistoryCount *int            `toml:"history_count"` // publications kept per channel; 0 keeps none
	HistoryAge   *Duration       `toml:"history_age"`
	HistoryBytes *Bytes          `toml:"history_bytes"` // of the namespace
	Durability   maru.Durability `toml:"durability"`    // what a publication survives; with data interval if it is not said

	KeyFrom string  `toml:"key_from"` // a JSON pointer (RFC 6901): where in the data the key of a publication without one stands
	MaxHz   float64 `toml:"max_hz"`   // the most that a subscription gets of each key in a second; 0 is no limit
}

// isPointer reports whether text points to something inside of a JSON document (RFC
// 6901).
func isPointer(text string) bool {
	escapes := strings.NewReplacer("~0", "", "~1", "").Replace(text)
	return strings.HasPrefix(text, "/") && !strings.Contains(escapes, "~")
}

// Retention is what the namespace keeps; what it does not say is s's.
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
		r.Durability = maru.InMemory
		if s.Data != "" {
			r.Durability = maru.Interval
		}
	}
	return r
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
			bad("", "is no namespace: that stands before the first : of a channel's name, and does not begin with $")
		}
		if n.HistoryCount != nil && *n.HistoryCount < 0 {
			bad("history_count", "is %d, wants at least 0", *n.HistoryCount)
		}
		if n.HistoryAge != nil && time.Duration(*n.HistoryAge) < time.Millisecond {
			bad("history_age", `is %v, wants at least 1ms, written with its unit as in "25s"`, *n.HistoryAge)
		}
		if n.HistoryBytes != nil && *n.HistoryBytes < 1 {
			bad("history_bytes", "is %d, wants at least 1", *n.HistoryBytes)
		}
		if s.Data == "" && (n.Durability == maru.Interval || n.Durability == maru.Sync) {
			bad("durability", "is %v, which needs data, a directory", n.Durability)
		}
		if n.KeyFrom != "" && !isPointer(n.KeyFrom) {
			bad("key_from", "wants a JSON pointer such as /symbol, not %q", n.KeyFrom)
		}
		if !(n.MaxHz >= 0 && n.MaxHz <= math.MaxInt16) {
			bad("max_hz", "is %v, wants a number from 0 to %d", n.MaxHz, math.MaxInt16)
		}
	}
	if s.Open && s.Namespaces != nil {
		wrong = append(wrong, errors.New("open: lets anybody do anything, which does not go with namespaces, whose rules say who may"))
	}
	return errors.Join(wrong...)
}
