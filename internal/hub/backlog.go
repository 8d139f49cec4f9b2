package hub

import (
	"sync/atomic"
	"time"

	"maru.example/maru"
)

// Delivery is one publication and its position.
type Delivery struct {
	At          maru.Position
	Publication *maru.Publication
}

// after reports whether d is after a position: later in the same epoch, or in another epoch,
// which can only be a newer one. A transient publication is in no history, so it is always
// after.
func (d Delivery) after(from maru.Position) bool {
	return d.At.Offset == 0 || d.At.Epoch != from.Epoch || d.At.Offset > from.Offset
}

// limits bound the memory of a backlog.
type limits struct {
	bytes, messages int
	age             time.Duration
	tight           *atomic.Int32 // bytes and messages are divided by 1<<tight: see Hub.Tighten
	conflated       *atomic.Uint64
}

// current returns the limits that apply now.
func (l limits) current() (bytes, messages int) {
	if l.tight == nil {
		return l.bytes, l.messages
	}
	tight := l.tight.Load()
	return l.bytes >> tight, l.messages >> tight
}

// backlog holds the publications that wait for one subscriber. A publication larger than the
// limit may wait alone. A full backlog drops everything: a subscriber that has missed one
// publication cannot continue.
type backlog struct {
	limits  limits
	waiting []Delivery
	bytes   int
	full    bool
	space   *Space         // counts what is lost; nil: nothing does
	lost    int            // messages that it held when it became full
	places  map[string]int // index in waiting, by key; nil without conflation
}

// conflate keeps only the newest publication of each key, in the place of the one it replaces.
func (b *backlog) conflate() { b.places = make(map[string]int) }

func (b *backlog) push(d Delivery) {
	size := len(d.Publication.Data) + len(d.Publication.Key)
	n := len(b.waiting)
	bytes, messages := b.limits.current()
	if b.places != nil {
		bytes, messages = bytes*maru.ConflationSlack, maru.MaxConflatedKeys
	}
	switch {
	case b.full:
	case b.replaces(d):
	case n > 0 && (n >= messages || b.bytes+size > bytes):
		if b.space != nil {
			b.space.Dropped.Add(uint64(n))
		}
		*b = backlog{full: true, bytes: b.bytes, lost: n}
	default:
		if b.places != nil {
			b.places[d.Publication.Key] = n
		}
		b.waiting = append(b.waiting, d)
		b.bytes += size
	}
}

// messages returns how many wait, or waited when it became full.
func (b *backlog) messages() int { return len(b.waiting) + b.lost }

// replaces puts d in the place of the publication that it makes stale, if there is one.
func (b *backlog) replaces(d Delivery) bool {
	i, stale := b.places[d.Publication.Key]
	if stale {
		b.bytes += len(d.Publication.Data) - len(b.waiting[i].Publication.Data)
		b.waiting[i] = d
		if b.limits.conflated != nil {
			b.limits.conflated.Add(1)
		}
		if b.space != nil {
			b.space.Conflated.Add(1)
		}
	}
	return stale
}

// empty returns all waiting publications after a position, and removes all.
func (b *backlog) empty(from maru.Position) []Delivery {
	beyond := b.waiting[:0]
	for _, d := range b.waiting {
		if d.after(from) {
			beyond = append(beyond, d)
		}
	}
	b.waiting, b.bytes = nil, 0
	clear(b.places)
	return beyond
}
