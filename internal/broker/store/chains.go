package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A chain is what was read of a channel: its publications in the index, and where they do not
// follow one another. Each publication has the channel's offset before it, and the head has
// the last one, so nothing can be missing unnoticed.
type chain struct {
	*channel
	links []link // the first publication, and each that does not follow the one before it
	head  bool   // the head was read
}

type link struct{ offset, prev uint64 }

// readNamespace fills the index of a namespace with what fits together.
func (x *examiner) readNamespace(ns *loaded) error {
	chains, err := x.readEntries(ns)
	if err != nil {
		return err
	}
	if err := x.readHeads(ns, chains); err != nil {
		return err
	}
	for _, c := range chains {
		if !c.head {
			c.removed = 0
			ns.repaired[c.name] = c.channel
		}
		x.mend(ns, c)
	}
	for _, c := range chains {
		for len(c.kept) > ns.index.retention.Publications {
			ns.index.drop(ns.index.order.find(c.kept[0]))
		}
	}
	ns.index.expire(x.when(x.now))
	for ns.index.bytes > ns.index.retention.Bytes {
		ns.index.drop(ns.index.order.front())
	}
	return nil
}

func (x *examiner) readEntries(ns *loaded) (map[string]*chain, error) {
	chains := make(map[string]*chain)
	damaged := 0
	from, to := prefixes(entryPrefix, ns.id)
	err := x.scan(from, to, func(key, value []byte) {
		offset, ok := offsetOf(key)
		if ok && offset < ns.first {
			return // it is removed, and will be deleted
		}
		e, err := skimEnvelope(key, value)
		if err != nil {
			damaged++ // the chain of its channel shows where
			return
		}
		ns.maxEntry = max(ns.maxEntry, offset)
		c := chains[string(e.channel)]
		if c == nil {
			c = &chain{channel: &channel{name: string(e.channel)}}
			chains[c.name] = c
			ns.index.know(c.channel)
			c.links = append(c.links, link{offset, e.prev})
		} else if e.prev != c.kept[len(c.kept)-1] {
			c.links = append(c.links, link{offset, e.prev})
		}
		c.kept = append(c.kept, offset)
		ns.index.order.push(item{offset: offset, at: x.when(time.Unix(0, e.time)), channel: c.channel, size: uint32(e.size)})
		ns.index.bytes += e.size
	})
	if damaged > 0 {
		x.report(Finding{Namespace: ns.name, What: fmt.Sprintf("%d publications are damaged", damaged)})
	}
	return chains, err
}

// readHeads compares the heads with their tally. A head that is missing or old may have been
// that of any channel, and what it had cannot be known.
func (x *examiner) readHeads(ns *loaded, chains map[string]*chain) error {
	var heads tally
	from, to := prefixes(headPrefix, ns.id)
	err := x.scan(from, to, func(key, value []byte) {
		h, err := parseHead(key, value)
		if err != nil {
			return
		}
		heads.add(sumOf(value))
		if c := chains[string(key[5:])]; c != nil {
			c.channel.head, c.stored, c.head = h, sumOf(value), true
		} else if h.last > h.removed && h.last >= ns.first {
			// It should have a publication.
			c := &channel{name: channelOf(key), head: h, stored: sumOf(value)}
			x.lose(ns, c, max(h.removed+1, ns.first), h.last)
		}
	})
	if heads != ns.heads && ns.renew == "" {
		ns.renew = "heads of channels are missing or old"
	}
	ns.heads = heads
	return err
}

// mend removes from the index what the head says is removed, and everything before a hole:
// what a channel retains has none, so that one number describes a gap.
func (x *examiner) mend(ns *loaded, c *chain) {
	removed := c.removed
	for len(c.kept) > 0 && c.kept[0] <= removed {
		ns.index.drop(ns.index.order.find(c.kept[0]))
	}
	c.removed = removed
	hole := uint64(0)
	for i, l := range c.links {
		if l.offset > removed && l.prev > removed && (i > 0 || l.prev >= ns.first) {
			hole = max(hole, l.prev)
		}
	}
	newest := cmp.Or(c.newest(), removed)
	switch {
	case newest > c.last:
		c.last = newest // the head is old
		ns.repaired[c.name] = c.channel
	case newest < c.last:
		hole = c.last
	}
	if hole == 0 {
		if len(c.kept) > 0 {
			// What was removed with the front of the namespace is not in the head.
			c.removed = max(removed, c.prevOfFirst())
		}
		return
	}
	from := removed + 1
	if i, _ := slices.BinarySearch(c.kept, hole); i > 0 {
		from = c.kept[i-1] + 1
	}
	x.lose(ns, c.channel, max(from, ns.first), hole)
	for len(c.kept) > 0 && c.kept[0] <= hole {
		ns.index.drop(ns.index.order.find(c.kept[0]))
	}
	c.removed = hole
}

// newest is the last offset that the channel retains; 0 if there is none.
func (c *chain) newest() uint64 {
	if len(c.kept) == 0 {
		return 0
	}
	return c.kept[len(c.kept)-1]
}

// prevOfFirst is the channel's offset before its first retained publication.
func (c *chain) prevOfFirst() uint64 {
	for i := len(c.links) - 1; i >= 0; i-- {
		if c.links[i].offset <= c.kept[0] {
			if c.links[i].offset == c.kept[0] {
				return c.links[i].prev
			}
			break
		}
	}
	return c.removed
}

// lose reports what is missing in a channel, and sees to it that its head says so.
func (x *examiner) lose(ns *loaded, c *channel, from, to uint64) {
	c.removed = to
	ns.repaired[c.name] = c
	x.report(Finding{Namespace: ns.name, Channel: c.name, What: "publications are missing", From: min(from, to), To: to})
}
