package store

import (
	"errors"
	"slices"

	"maru.example/maru"

	"github.com/cockroachdb/pebble/v2"
)

// history answers a query by the rules of maru.Broker. The index says which publications
// they are; those that are not in the cache are read from the store. One that has been removed
// in between is no longer a part of the answer, so the index is asked again.
func (ns *namespace) history(name string, q maru.HistoryQuery) (maru.History, error) {
	for {
		h, offsets, err := ns.look(name, q)
		if err != nil {
			return maru.History{}, err
		}
		h.Publications, err = ns.fetch(offsets)
		if !errors.Is(err, pebble.ErrNotFound) || ns.retains(name, offsets) {
			return h, err
		}
	}
}

// retains reports whether the index still has all publications of an answer.
func (ns *namespace) retains(name string, offsets []uint64) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	c := ns.index.channels[name]
	return c != nil && len(c.kept) > 0 && c.kept[0] <= offsets[0]
}

// look answers a query but for the publications, of which it returns the offsets.
func (ns *namespace) look(name string, q maru.HistoryQuery) (maru.History, []uint64, error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	c := ns.index.channels[name]
	if c == nil {
		// It has no publications in progress, so the head on disk is the one that subscribers
		// know, unless it comes into the index while it is read.
		id := ns.id
		ns.mu.Unlock()
		h, _, err := ns.broker.head(id, name)
		ns.mu.Lock()
		if err != nil {
			return maru.History{}, nil, err
		}
		if c = ns.index.channels[name]; c == nil {
			h.removed = max(h.last, ns.forgotten)
			c = &channel{head: h}
		}
	}
	h := maru.History{Epoch: ns.epoch, Head: c.last}
	if c.last == 0 {
		h.Head = ns.forgotten
	}
	beyond := h.Head // no position of this channel is after it
	if c.last == 0 {
		beyond = ns.number
	}
	offsets, gap := c.part(q, ns.epoch, beyond)
	h.Gap = gap
	return h, slices.Clone(offsets), nil
}

// part returns the offsets that a query asks for, and what is missing of it. No position of
// the channel is after beyond.
func (c *channel) part(q maru.HistoryQuery, epoch string, beyond uint64) ([]uint64, *maru.Gap) {
	foreign := func(p *maru.Position) bool { return p.Epoch != "" && p.Epoch != epoch }
	switch {
	case q.Since != nil && (foreign(q.Since) || q.Since.Offset > beyond):
		return first(c.kept, q.Limit), &maru.Gap{Reason: maru.GapEpoch}
	case q.Since != nil:
		return first(c.after(q.Since.Offset), q.Limit), gap(q.Since.Offset+1, c.removed)
	case q.Before == nil:
		return last(c.kept, q.Limit), nil
	case foreign(q.Before):
		return nil, &maru.Gap{Reason: maru.GapEpoch}
	}
	kept := c.before(q.Before.Offset)
	page := last(kept, q.Limit)
	if len(page) < len(kept) || q.Before.Offset == 0 {
		return page, nil
	}
	return page, gap(1, min(c.removed, q.Before.Offset-1))
}

// gap is a range of numbers, not two publications: offsets are not consecutive. It is nil if
// the range is empty.
func gap(from, to uint64) *maru.Gap {
	if from > to {
		return nil
	}
	return &maru.Gap{Reason: maru.GapExpired, From: from, To: to}
}

// fetch returns publications. The error is pebble.ErrNotFound if one of them is not stored.
func (ns *namespace) fetch(offsets []uint64) ([]*maru.Publication, error) {
	if len(offsets) == 0 {
		return nil, nil
	}
	all := make([]*maru.Publication, 0, len(offsets))
	var buf [16]byte
	for _, offset := range offsets {
		at := place{ns.id, offset}
		p := ns.broker.cache.get(at)
		if p == nil {
			key := entryKey(buf[:], ns.id, offset)
			err := ns.broker.get(key, func(value []byte) error {
				e, err := parseEnvelope(key, slices.Clone(value))
				if err == nil {
					p = e.publication
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			ns.broker.cache.put(at, p)
		}
		all = append(all, p)
	}
	return all, nil
}
