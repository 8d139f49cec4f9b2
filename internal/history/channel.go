package history

import (
	"cmp"
	"math"
	"slices"

	"maru.example/maru"
)

// A channel is the part of its namespace's history that has its name. It exists while it
// retains something; then its head rests in Heads.
type channel struct {
	name    string
	version uint64       // the highest version that was published
	removed uint64       // its offset before the first retained publication: a lower position has a gap
	kept    deque[Entry] // retained, ascending
	holes   *[]hole      // lost among kept, ascending; nil: none
}

// head returns the highest offset that the channel ever had.
func (c *channel) head() uint64 {
	if kept := c.kept.all(); len(kept) > 0 {
		return kept[len(kept)-1].Offset
	}
	return c.removed
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

// lose records that what was published from one offset to another may be missing. A publication
// after it must follow.
func (c *channel) lose(from, to uint64) {
	if c.kept.len() == 0 {
		c.raise(to)
		return
	}
	if c.holes == nil {
		c.holes = new([]hole)
	}
	*c.holes = append(*c.holes, hole{from, to})
}

// missing returns the range of offsets after since and before another one in which something
// may be missing; zeroes if nothing is.
func (c *channel) missing(since, before uint64) (from, to uint64) {
	if since < c.removed && since+1 < before {
		from, to = since+1, min(c.removed, before-1)
	}
	if c.holes != nil {
		for _, h := range *c.holes {
			if since < h.to && h.from < before {
				from, to = min(cmp.Or(from, h.from), max(h.from, since+1)), max(to, min(h.to, before-1))
			}
		}
	}
	return from, to
}

// part returns what a query asks for, and what is missing of it. No position of the channel is
// after last.
func (c *channel) part(q maru.HistoryQuery, epoch string, last uint64) ([]Entry, *maru.Gap) {
	foreign := func(p *maru.Position) bool { return p.Epoch != "" && p.Epoch != epoch }
	switch kept := c.kept.all(); {
	case q.Since != nil && (foreign(q.Since) || q.Since.Offset > last):
		return first(kept, q.Limit), &maru.Gap{Reason: maru.GapEpoch}
	case q.Since != nil:
		return first(c.after(q.Since.Offset), q.Limit), c.gap(q.Since.Offset, math.MaxUint64)
	case q.Before == nil:
		_, page := cut(kept, q.Limit)
		return page, nil
	case foreign(q.Before):
		return nil, &maru.Gap{Reason: maru.GapEpoch}
	}
	older, page := cut(c.before(q.Before.Offset), q.Limit)
	return page, c.gap(older, q.Before.Offset)
}

// gap is missing as the gap of an answer; nil if nothing is missing. It is a range of numbers,
// not two publications: offsets are not consecutive.
func (c *channel) gap(since, before uint64) *maru.Gap {
	from, to := c.missing(since, before)
	if to == 0 {
		return nil
	}
	return &maru.Gap{Reason: maru.GapExpired, From: from, To: to}
}

// before returns what is retained before an offset.
func (c *channel) before(offset uint64) []Entry {
	kept := c.kept.all()
	i, _ := slices.BinarySearchFunc(kept, offset, func(e Entry, offset uint64) int {
		return cmp.Compare(e.Offset, offset)
	})
	return kept[:i]
}

// after returns what is retained after an offset.
func (c *channel) after(since uint64) []Entry {
	if since == math.MaxUint64 {
		return nil
	}
	return c.kept.all()[len(c.before(since+1)):]
}

// first returns at most limit from the beginning; all if limit is negative.
func first(kept []Entry, limit int) []Entry {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[:limit]
}

// cut returns at most limit from the end, and the offset of the entry before these; 0 if there
// is none. All if limit is negative.
func cut(kept []Entry, limit int) (older uint64, page []Entry) {
	if limit < 0 || limit >= len(kept) {
		return 0, kept
	}
	i := len(kept) - limit
	return kept[i-1].Offset, kept[i:]
}
