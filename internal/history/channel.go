package history

import (
	"cmp"
	"slices"
)

// A channel is the part of its namespace's history that has its name. It exists while it
// retains something; then its head rests in Heads.
type channel struct {
	name    string
	version uint64       // the highest version that was published
	removed uint64       // its offset before the first retained publication: a lower position has a gap
	kept    deque[Entry] // retained, ascending
	holes   *[]hole      // lost among kept or after it, ascending; nil: none
}

// head returns the highest offset that the channel ever had.
func (c *channel) head() uint64 {
	head := c.removed
	if kept := c.kept.all(); len(kept) > 0 {
		head = max(head, kept[len(kept)-1].Offset)
	}
	if c.holes != nil {
		head = max(head, (*c.holes)[len(*c.holes)-1].to)
	}
	return head
}

// shift removes the oldest retained publication, and the holes before the next one.
func (c *channel) shift() {
	c.raise(c.kept.front().Offset)
	c.kept.pop()
	if c.holes == nil {
		return
	}
	next := uint64(1<<64 - 1)
	if c.kept.len() > 0 {
		next = c.kept.front().Offset
	}
	holes := *c.holes
	for len(holes) > 0 && holes[0].to < next {
		c.raise(holes[0].to)
		holes = holes[1:]
	}
	if c.holes = &holes; len(holes) == 0 {
		c.holes = nil
	}
}

func (c *channel) raise(removed uint64) { c.removed = max(c.removed, removed) }

// lose records that what was published from one offset to another may be missing.
func (c *channel) lose(from, to uint64) {
	if c.kept.len() == 0 || to < c.kept.front().Offset {
		c.raise(to)
		return
	}
	if c.holes == nil {
		c.holes = new([]hole)
	}
	*c.holes = append(*c.holes, hole{from, to})
	slices.SortFunc(*c.holes, func(a, b hole) int { return cmp.Compare(a.from, b.from) })
}

// missing returns the range of offsets after since in which something may be missing; zeroes
// if nothing is.
func (c *channel) missing(since uint64) (from, to uint64) {
	if since < c.removed {
		from, to = since+1, c.removed
	}
	if c.holes != nil {
		for _, h := range *c.holes {
			if since < h.to {
				from, to = min(cmp.Or(from, h.from), max(h.from, since+1)), max(to, h.to)
			}
		}
	}
	return from, to
}

// after returns what is retained after an offset.
func (c *channel) after(since uint64) []Entry {
	kept := c.kept.all()
	i, found := slices.BinarySearchFunc(kept, since, func(e Entry, since uint64) int {
		return cmp.Compare(e.Offset, since)
	})
	if found {
		i++
	}
	return kept[i:]
}

// first returns at most limit from the beginning; all if limit is negative.
func first(kept []Entry, limit int) []Entry {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[:limit]
}

// newest returns at most limit from the end; all if limit is negative.
func newest(kept []Entry, limit int) []Entry {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[len(kept)-limit:]
}
