package store

import (
	"errors"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"

	"github.com/cockroachdb/pebble/v2"
)

// A batch is some submissions with the decisions about them, on their way to the store.
type batch struct {
	submissions []submission
	chores      bool       // what became too old is to be deleted too
	channels    []*channel // that the batch changes
	number      uint64     // the last one that it has given; 0: none
	writes      *pebble.Batch
	synced      chan struct{} // closed when DIR/last is on the disk; nil if nobody waits for that
	answers
}

// A plan is what a channel will be when all batches in progress are stored.
type plan struct {
	head
	offsets []uint64 // that are not in the index yet and will be retained
	stored  uint64   // the sum of the head
	batches int      // that change the channel
	current *batch   // the last one of them
}

// settle removes the offsets that are in the index now.
func (p *plan) settle(last uint64) {
	i, found := slices.BinarySearch(p.offsets, last)
	if found {
		i++
	}
	p.offsets = p.offsets[i:]
}

// plan decides about the submissions of a batch and makes its writes.
func (ns *namespace) plan(b *batch) {
	if b.writes = ns.broker.newBatch(); b.writes == nil {
		return // a store that cannot be written
	}
	now := time.Now().UTC()
	for i := range b.submissions {
		ns.decide(&b.submissions[i], b, now)
	}
	for _, c := range b.channels {
		ns.writeHead(c, b)
	}
	if b.chores {
		ns.sweepHeads(b, now)
	}
	if ns.id != 0 {
		ns.sweepGarbage(b)
	}
	if !b.writes.Empty() {
		key := recordKey(ns.id)
		b.writes.Set(key, ns.planned.append(nil, key), nil)
	}
}

// decide sets the outcome of a submission for the case that the store takes the batch.
func (ns *namespace) decide(s *submission, b *batch, now time.Time) {
	if s.err != nil {
		return
	}
	if s.options.IdempotencyKey != "" {
		s.hash = hashOf(s.channel, s.options.Publisher, s.options.IdempotencyKey)
		s.sum = history.SumOf(s.publication)
		first, epoch, known, err := ns.find(s.hash, now)
		if err != nil || known {
			ns.replay(s, first, epoch, err)
			return
		}
	}
	if !s.options.Transient {
		c, err := ns.open(s.channel, b)
		if err != nil {
			s.err = ns.broker.unreadable(err)
			return
		}
		if v := s.options.Version; v != 0 && v <= c.plan.version {
			s.published = ns.at(c.plan.last)
			s.published.Stale = true
			return
		}
		s.place = c
	}
	s.deliver = true
	s.publication.Time = now
	s.publication.Offset, s.published = 0, ns.at(0)
	if s.place == nil && s.options.IdempotencyKey == "" {
		return // nothing of it is stored
	}
	ns.adopt(b)
	if s.place != nil {
		ns.give(s, b)
	}
	if s.options.IdempotencyKey != "" {
		ns.remember(s, b)
	}
}

// find looks for an idempotency key, also in the pool, where the namespace may have been before
// it was listed.
func (ns *namespace) find(hash repeatHash, now time.Time) (first repeat, epoch string, known bool, err error) {
	if first, known = ns.repeats[hash]; known {
		return first, ns.epoch, true, nil
	}
	if first, known, err = ns.broker.findStored(ns.id, hash, now); known || err != nil || ns.name == "" {
		return first, ns.epoch, known, err
	}
	id, epoch := ns.broker.poolOf()
	first, known, err = ns.broker.findStored(id, hash, now)
	return first, epoch, known, err
}

// findStored looks for an idempotency key among those of a namespace that are stored.
func (b *Broker) findStored(id uint32, hash repeatHash, now time.Time) (first repeat, known bool, err error) {
	if id == 0 {
		return repeat{}, false, nil
	}
	period := periodOf(now)
	var buf [32]byte
	for _, p := range []uint32{period, period - 1} {
		key := repeatKey(buf[:], p, id, hash)
		err := b.get(key, func(value []byte) (err error) {
			first, err = parseRepeat(key, value)
			return err
		})
		if err == nil {
			age := now.Sub(first.time)
			return first, age < maru.IdempotencyAge, nil
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			return repeat{}, false, err
		}
	}
	return repeat{}, false, nil
}

var errConflict = maru.NewError(maru.CodeIdempotencyConflict, "the idempotency key was already used for a different publication; use a new key")

func (ns *namespace) replay(s *submission, first repeat, epoch string, err error) {
	switch {
	case err != nil:
		s.err = ns.broker.unreadable(err)
	case first.sum != s.sum:
		s.err = errConflict
	default:
		s.published = maru.Published{Position: maru.Position{Epoch: epoch, Offset: first.offset}}
		s.published.Replayed = true
	}
}

// open returns a channel with a plan, to which the batch belongs.
func (ns *namespace) open(name string, b *batch) (*channel, error) {
	c := ns.index.channels[name]
	if c == nil {
		h, sum, err := ns.broker.head(ns.id, name)
		if err != nil {
			return nil, err
		}
		if sum == 0 && ns.name != "" {
			// It may have been in the pool before the namespace was listed.
			pool, _ := ns.broker.poolOf()
			old, _, err := ns.broker.head(pool, name)
			if err != nil {
				return nil, err
			}
			h.version = old.version
		}
		h.removed = max(h.last, ns.forgotten)
		c = &channel{name: name, head: h, stored: sum}
	}
	if c.plan == nil {
		p := &plan{head: c.head, stored: c.stored}
		ns.mu.Lock()
		c.plan = p
		ns.index.know(c)
		ns.mu.Unlock()
	}
	if c.plan.current != b {
		ns.mu.Lock()
		c.plan.current = b
		c.plan.batches++
		ns.mu.Unlock()
		b.channels = append(b.channels, c)
	}
	return c, nil
}

// head reads the head of a channel that is not in the index of its namespace. It is empty if
// there is none.
func (b *Broker) head(id uint32, name string) (h head, sum uint64, err error) {
	if id == 0 {
		return head{}, 0, nil
	}
	key := headKey(make([]byte, 0, 64), id, name)
	err = b.get(key, func(value []byte) (err error) {
		if h, err = parseHead(key, value); err == nil {
			sum = sumOf(value)
		}
		return err
	})
	if errors.Is(err, pebble.ErrNotFound) {
		return head{}, 0, nil
	}
	return h, sum, err
}

// give numbers a publication and stores it.
func (ns *namespace) give(s *submission, b *batch) {
	c, p := s.place, s.publication
	before, prev := ns.planned.number, c.plan.last
	ns.planned.number++
	p.Offset, s.published = ns.planned.number, ns.at(ns.planned.number)
	b.number = p.Offset
	c.plan.last = p.Offset
	c.plan.time = p.Time.UnixNano()
	c.plan.version = max(c.plan.version, s.options.Version)
	if !ns.index.retention.Retains(s.size()) {
		c.plan.offsets, c.plan.removed = nil, p.Offset
		return
	}
	c.plan.offsets = append(c.plan.offsets, p.Offset)
	c.trim(ns.index.retention.Publications)
	e := envelope{publication: p, channel: s.channel, before: before, prev: prev, version: s.options.Version}
	key := entryKey(make([]byte, 0, 16), ns.id, p.Offset)
	b.writes.Set(key, e.append(make([]byte, 0, len(p.Data)+len(s.channel)+len(p.Key)+len(p.User)+64), key), nil)
}

// trim plans the removal of what is above the limit of a channel. The index will do the same.
func (c *channel) trim(limit int) {
	kept := c.after(c.plan.removed)
	i, found := slices.BinarySearch(c.plan.offsets, c.plan.removed)
	if found {
		i++
	}
	for coming := c.plan.offsets[i:]; len(kept)+len(coming) > limit; {
		if len(kept) > 0 {
			c.plan.removed, kept = kept[0], kept[1:]
		} else {
			c.plan.removed, coming = coming[0], coming[1:]
		}
	}
}

func (ns *namespace) remember(s *submission, b *batch) {
	r := repeat{sum: s.sum, offset: s.published.Offset, time: s.publication.Time}
	ns.repeats[s.hash] = r
	period := periodOf(r.time)
	key := repeatKey(make([]byte, 0, 32), period, ns.id, s.hash)
	value := r.append(make([]byte, 0, 64), key)
	ns.planned.count(period, sumOf(value))
	b.writes.Set(key, value, nil)
}

// writeHead writes the planned head of a channel, if the batch has changed it.
func (ns *namespace) writeHead(c *channel, b *batch) {
	if c.plan.last == c.last && c.plan.stored != 0 {
		return // only stale publications
	}
	if c.plan.last == 0 {
		return
	}
	key := headKey(make([]byte, 0, 64), ns.id, c.name)
	value := c.plan.head.append(make([]byte, 0, 64), key)
	if c.plan.stored != 0 {
		ns.planned.heads.remove(c.plan.stored)
	}
	c.plan.stored = sumOf(value)
	ns.planned.heads.add(c.plan.stored)
	b.writes.Set(key, value, nil)
}

// clearEvery is how many numbers the oldest retained publication moves on between two deletions
// of everything before it. Pebble is slow with many deletions of ranges.
const clearEvery = 8192

// sweepGarbage deletes publications that are no longer retained. That they are not is known
// from the heads and the record, so it does not matter when they are deleted.
func (ns *namespace) sweepGarbage(b *batch) {
	first := ns.front()
	if first >= ns.planned.first+clearEvery || b.chores && first > ns.planned.first {
		b.writes.DeleteRange(entryKey(nil, ns.id, 0), entryKey(nil, ns.id, first), nil)
		ns.planned.first = first
	}
	for _, offset := range ns.garbage {
		if offset >= first {
			b.writes.Delete(entryKey(make([]byte, 0, 16), ns.id, offset), nil)
		}
	}
	ns.garbage = ns.garbage[:0]
}

// front returns the oldest offset that is retained, in the index or in progress.
func (ns *namespace) front() uint64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n := ns.index.order.front(); n != nil {
		return n.offset
	}
	return ns.number + 1
}
