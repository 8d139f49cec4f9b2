package hub

import (
	"sync/atomic"
	"time"

	"maru.example/maru"
)

// Delivery is one publication with its place.
type Delivery struct {
	At          maru.Position
	Publication *maru.Publication
}

// after reports whether d stands beyond a position: later in the same life of
// the history, or in another life, which only the future brings. What is transient
// is in no history, so nobody has it yet.
func (d Delivery) after(from maru.Position) bool {
	return d.At.Offset == 0 || d.At.Epoch != from.Epoch || d.At.Offset > from.Offset
}

// limits bound what waits in memory.
type limits struct {
	bytes, messages int
	age             time.Duration
	tight           *atomic.Bool // see Hub.Tighten
	conflated       *atomic.Uint64
}

// shortage is what the bounds are divided by while memory is short, see Hub.Tighten.
const shortage = 8

// current are the bounds that hold now.
func (l limits) current() (bytes, messages int) {
	if l.tight != nil && l.tight.Load() {
		return l.bytes / shortage, l.messages / shortage
	}
	return l.bytes, l.messages
}

// backlog is what waits for one subscriber. A publication larger than the bound
// may wait alone. When it is full, it holds nothing any more: a subscriber that has missed
// one publication cannot go on.
type backlog struct {
	limits  limits
	waiting []Delivery
	bytes   int
	full    bool
	places  map[string]int // in waiting, of each key; nil if all are wanted
}

// conflate lets only the newest of each key wait, in the place of what it makes stale.
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
		*b = backlog{full: true}
	default:
		if b.places != nil {
			b.places[d.Publication.Key] = n
		}
		b.waiting = append(b.waiting, d)
		b.bytes += size
	}
}

// replaces puts d in the place of what it makes stale, if there is something.
func (b *backlog) replaces(d Delivery) bool {
	i, stale := b.places[d.Publication.Key]
	if stale {
		b.bytes += len(d.Publication.Data) - len(b.waiting[i].Publication.Data)
		b.waiting[i] = d
		if b.limits.conflated != nil {
			b.limits.conflated.Add(1)
		}
	}
	return stale
}

// empty returns everything that waited beyond a position.
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
