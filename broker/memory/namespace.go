package memory

import (
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// A namespace is a history with its lock, which the caller of a method holds.
type namespace struct {
	age  time.Duration // for which it retains publications
	pool *namespace    // where its publications were before it was listed; nil: nowhere

	mu      sync.Mutex
	closed  bool
	history *history.Namespace
	repeats *history.Repeats
}

func (b *Broker) newNamespace(name string, floor uint64, heads *history.Heads) *namespace {
	r := b.options.Retention(name).WithDefaults()
	return &namespace{
		age:     r.Age,
		history: history.New(r, b.epoch, floor, heads),
		repeats: history.NewRepeats(b.keys),
	}
}

// accept publishes p unless it is a repeat, and says whether the Sink must receive it.
func (ns *namespace) accept(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (done maru.Published, deliver bool, err error) {
	if o.IdempotencyKey == "" {
		done, deliver = ns.decide(name, p, o, now)
	} else {
		first := history.Repeat{
			Key: history.RepeatKey{Channel: name, Publisher: o.Publisher, Key: o.IdempotencyKey},
			Sum: history.SumOf(p), At: now, Share: o.Share,
		}
		if offset, known, err := ns.find(first.Key, first.Sum, now); known {
			done = ns.published(offset)
			done.Replayed = err == nil
			return done, false, err
		}
		done, deliver = ns.decide(name, p, o, now)
		first.Offset = done.Offset
		if err := ns.repeats.Add(first); err != nil {
			return maru.Published{}, false, err
		}
	}
	if p.Offset = 0; deliver && !o.Transient {
		p.Offset = done.Offset
		ns.history.Add(name, history.Entry{Offset: p.Offset, At: now, Size: history.Size(name, p), Publication: p}, o.Version)
	}
	return done, deliver, nil
}

// decide returns the position that the publication will have, and whether it is delivered:
// a stale one is not.
func (ns *namespace) decide(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (done maru.Published, deliver bool) {
	if o.Transient {
		return ns.published(0), true
	}
	ns.history.Expire(now)
	if ns.history.Stale(name, o.Version) || o.Version != 0 && o.Version <= ns.versionBefore(name) {
		done = ns.published(ns.history.Head(name))
		done.Stale = true
		return done, false
	}
	return ns.published(ns.history.Number() + 1), true
}

// find looks for an idempotency key, also in the pool.
func (ns *namespace) find(key history.RepeatKey, sum history.Sum, now time.Duration) (offset uint64, known bool, err error) {
	offset, known, err = ns.repeats.Find(key, sum, now)
	if known || ns.pool == nil {
		return offset, known, err
	}
	ns.pool.mu.Lock()
	defer ns.pool.mu.Unlock()
	return ns.pool.repeats.Find(key, sum, now)
}

// versionBefore is the channel's highest version in the pool.
func (ns *namespace) versionBefore(name string) uint64 {
	if ns.pool == nil {
		return 0
	}
	ns.pool.mu.Lock()
	defer ns.pool.mu.Unlock()
	return ns.pool.history.Version(name)
}

func (ns *namespace) published(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.history.Epoch(), Offset: offset}}
}

// expires is after what time something of a publication can be forgotten.
func (ns *namespace) expires(o maru.PublishOptions) time.Duration {
	after := never
	if !o.Transient && ns.age > 0 {
		after = ns.age
	}
	if o.IdempotencyKey != "" {
		after = min(after, maru.IdempotencyAge)
	}
	return after
}

// close frees the memory. It waits for the publisher that is using the namespace.
func (ns *namespace) close() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.closed = true
	ns.history.Clear()
	ns.repeats.Clear()
}
