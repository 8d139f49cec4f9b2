package store

import (
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

const (
	maxBatch      = 256     // submissions
	maxBatchBytes = 8 << 20 // of their data; one at least
)

// A namespace is an index, the queue of submissions to it, and its place in the store.
type namespace struct {
	broker *Broker
	name   string
	id     uint32 // 0: it is not in the store yet
	sync   bool   // its commits wait for the disk

	// mu guards what follows. Only the writer changes the index and the numbers; it reads
	// them without mu.
	mu        sync.Mutex
	index     index
	epoch     string
	number    uint64 // the last one that was delivered
	forgotten uint64 // see record
	queue     []submission
	writing   bool // a goroutine takes from queue
	chores    bool // something is to be done beside the queue
	batches   []*batch

	// log guards what follows: the writer holds it. It is what the store has when all
	// batches in progress are in it.
	log     sync.Mutex
	planned record
	repeats map[repeatHash]repeat // in progress
	garbage []uint64              // publications that are no longer retained and still stored
	mark    mark
	swept   sweep
	sweptAt time.Time
}

// A submission is one call of Submit.
type submission struct {
	channel     string
	publication *maru.Publication
	options     maru.PublishOptions
	done        func(maru.Published, error)

	err       error // of the submission itself
	published maru.Published
	deliver   bool // it is new: it goes to the index, if it has an offset, and to the Sink
	place     *channel
	sum       history.Sum
	hash      repeatHash
}

// size is what the publication counts towards the bytes of its namespace.
func (s *submission) size() int64 { return history.Size(s.channel, s.publication) }

func newNamespace(b *Broker, name string, r maru.Retention, epoch string) *namespace {
	return &namespace{
		broker: b, name: strings.Clone(name), sync: r.Durability == maru.Sync || r.Durability == maru.UnsaidDurability,
		index: newIndex(r), epoch: epoch,
		planned: record{name: name, epoch: epoch},
		repeats: make(map[repeatHash]repeat),
	}
}

// submit puts a submission into the queue and reports whether the caller must start a
// writer.
func (ns *namespace) submit(s submission) (write bool) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.queue = append(ns.queue, s)
	return ns.wake()
}

// wake reports whether the caller, who holds mu, must start a writer.
func (ns *namespace) wake() bool {
	write := !ns.writing
	ns.writing = true
	return write
}

// write takes batches from the queue until it is empty. While the store takes one batch the
// next one is decided and sent.
func (ns *namespace) write() {
	ns.log.Lock()
	defer ns.log.Unlock()
	var ahead *batch
	for {
		b := ns.next(ahead != nil)
		if b == nil && ahead == nil {
			return
		}
		if b != nil {
			ns.plan(b)
			ns.begin(b)
		}
		if ahead != nil {
			ns.finish(ahead)
		}
		ahead = b
	}
}

// next takes a batch from the queue. It returns nil if there is nothing to do; if nothing is
// in progress either, that ends the writer.
func (ns *namespace) next(inProgress bool) *batch {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	n, bytes := 0, 0
	for n < len(ns.queue) && n < maxBatch && (n == 0 || bytes < maxBatchBytes) {
		bytes += len(ns.queue[n].publication.Data)
		n++
	}
	if n == 0 && !ns.chores {
		if !inProgress {
			ns.queue, ns.writing = nil, false
		}
		return nil
	}
	b := &batch{submissions: ns.queue[:n:n], chores: ns.chores}
	ns.queue, ns.chores = ns.queue[n:], false
	ns.batches = append(ns.batches, b)
	return b
}

// publish adds what is stored to the index, and hands it to the Sink.
func (ns *namespace) publish(b *batch) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	now := ns.broker.now()
	for i := range b.submissions {
		s := &b.submissions[i]
		if !s.deliver {
			continue
		}
		if offset := s.published.Offset; offset != 0 {
			ns.number = offset
			size := s.size()
			removed := ns.index.add(s.place, offset, size, now)
			for _, gone := range removed {
				ns.broker.cache.forget(place{ns.id, gone})
			}
			ns.garbage = append(ns.garbage, removed...)
			if ns.index.retention.Retains(size) {
				ns.broker.cache.put(place{ns.id, offset}, s.publication)
			}
		}
		ns.broker.options.Sink(s.channel, s.published.Position, s.publication)
	}
	ns.index.expire(now)
	for _, c := range b.channels {
		if c.plan.batches--; c.plan.batches == 0 {
			c.version, c.time, c.stored = c.plan.version, c.plan.time, c.plan.stored
			c.removed = max(c.removed, c.plan.removed)
			c.plan = nil
			ns.index.release(c)
		} else {
			c.plan.settle(c.last)
		}
	}
	for i, other := range ns.batches {
		if other == b {
			ns.batches = append(ns.batches[:i:i], ns.batches[i+1:]...)
			break
		}
	}
}

func (ns *namespace) at(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.epoch, Offset: offset}}
}

// stir lets the writer do its chores if there are any.
func (ns *namespace) stir(now time.Duration, also bool) (write bool) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.id == 0 || !also && !ns.index.expired(now) {
		return false
	}
	ns.chores = true
	return ns.wake()
}
