package history

import (
	"cmp"
	"slices"

	"maru.example/maru"
)

// A channel is the part of its namespace's history that has its name.
type channel struct {
	name    string
	version uint64          // the highest version that was published
	removed uint64          // its offset before the first retained publication: a lower position has a gap
	kept    []*node[item]   // retained, ascending
	idle    *node[*channel] // its node among the idle channels; nil while it retains something
}

// head returns the highest offset that the channel ever had.
func (c *channel) head() uint64 {
	if len(c.kept) == 0 {
		return c.removed
	}
	return offset(c.kept[len(c.kept)-1])
}

// shift removes the oldest retained publication. It clears the array element, because the array
// lives until append makes a new one.
func (c *channel) shift() {
	c.removed = offset(c.kept[0])
	c.kept[0] = nil
	c.kept = c.kept[1:]
	if len(c.kept) == 0 {
		c.kept = nil
	}
}

// after returns what is retained after an offset.
func (c *channel) after(since uint64) []*node[item] {
	i, found := slices.BinarySearchFunc(c.kept, since, func(n *node[item], since uint64) int {
		return cmp.Compare(offset(n), since)
	})
	if found {
		i++
	}
	return c.kept[i:]
}

func offset(n *node[item]) uint64 { return n.value.publication.Offset }

// first returns at most limit from the beginning; all if limit is negative.
func first(kept []*node[item], limit int) []*node[item] {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[:limit]
}

// newest returns at most limit from the end; all if limit is negative.
func newest(kept []*node[item], limit int) []*node[item] {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[len(kept)-limit:]
}

// publications returns a copy, since kept changes with the next publication.
func publications(kept []*node[item]) []*maru.Publication {
	if len(kept) == 0 {
		return nil
	}
	list := make([]*maru.Publication, len(kept))
	for i, n := range kept {
		list[i] = n.value.publication
	}
	return list
}
