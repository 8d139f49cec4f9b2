package memory

import (
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// A namespace is a history with its lock. The caller of a method holds mu, except
// for forget.
type namespace struct {
	used atomic.Int64 // when it was last published to, as a time.Duration from the broker's start; read without mu

	mu        sync.Mutex
	forgotten bool // by the broker, which may have made another namespace of this name
	history   *history.Namespace
	repeats   history.Repeats
}

func newNamespace(o *Options, name, epoch string, floor uint64) *namespace {
	return &namespace{history: history.New(o.Retention(name).WithDefaults(), epoch, floor, o.EmptyChannels)}
}

// accept publishes p unless it is a repeat, and says whether the Sink must receive it.
func (ns *namespace) accept(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (done maru.Published, deliver bool, err error) {
	if o.IdempotencyKey == "" {
		done, deliver = ns.publish(name, p, o, now)
		return done, deliver, nil
	}
	key, sum := history.RepeatKey{Channel: name, Publisher: o.Publisher, Key: o.IdempotencyKey}, history.SumOf(p)
	if offset, known, err := ns.repeats.Find(key, sum, now); known {
		done = ns.published(offset)
		done.Replayed = err == nil
		return done, false, err
	}
	done, deliver = ns.publish(name, p, o, now)
	ns.repeats.Add(history.Repeat{Key: key, Sum: sum, Offset: done.Offset, At: now})
	return done, deliver, nil
}

// publish numbers the publication and adds it to the history, unless it is transient or
// stale.
func (ns *namespace) publish(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (maru.Published, bool) {
	if o.Transient {
		p.Offset = 0
		return ns.published(0), true
	}
	ns.history.Expire(now)
	if ns.history.Stale(name, o.Version) {
		stale := ns.published(ns.history.Head(name))
		stale.Stale = true
		return stale, false
	}
	ns.used.Store(int64(now))
	p.Offset = ns.history.Number() + 1
	ns.history.Add(name, p, o.Version, now)
	return ns.published(p.Offset), true
}

func (ns *namespace) published(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.history.Epoch(), Offset: offset}}
}

// forget empties a namespace that the broker forgets and returns its number. It waits for
// the publisher that is using it. A goroutine that finds it forgotten looks it up again.
func (ns *namespace) forget() uint64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.forgotten = true
	ns.history.Clear()
	ns.repeats = history.Repeats{}
	return ns.history.Number()
}
