package hub

import "maru"

// Delivery is one publication with its place.
type Delivery struct {
	At          maru.Position
	Publication *maru.Publication
}

// after reports whether d stands beyond a position: later in the same life of
// the history, or in another life, which only the future brings.
func (d Delivery) after(from maru.Position) bool {
	return d.At.Epoch != from.Epoch || d.At.Offset > from.Offset
}

// limits bound what waits in memory.
type limits struct{ bytes, messages int }

// backlog is what waits. A publication larger than the bound may wait alone.
type backlog struct {
	waiting []Delivery
	bytes   int
}

// push reports whether there was room.
func (b *backlog) push(d Delivery, l limits) bool {
	size := len(d.Publication.Data) + len(d.Publication.Key)
	if n := len(b.waiting); n > 0 && (n >= l.messages || b.bytes+size > l.bytes) {
		return false
	}
	b.waiting = append(b.waiting, d)
	b.bytes += size
	return true
}

// take is everything that waited beyond a position.
func (b *backlog) take(from maru.Position) []Delivery {
	taken := b.waiting[:0]
	for _, d := range b.waiting {
		if d.after(from) {
			taken = append(taken, d)
		}
	}
	*b = backlog{}
	return taken
}
