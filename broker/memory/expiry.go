package memory

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	never       = time.Duration(math.MaxInt64 / 4) // later than any age, and an age can be added to it
	expireEvery = time.Second                      // at most so often
	expireAtOne = 1000                             // publications that are removed while a namespace is locked
)

// expiry runs a function when the oldest publication or idempotency key is too old, so that
// memory is freed although nobody asks.
type expiry struct {
	run func()
	due atomicDuration // when it runs next

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

type atomicDuration struct{ n atomic.Int64 }

func (a *atomicDuration) Load() time.Duration   { return time.Duration(a.n.Load()) }
func (a *atomicDuration) Store(d time.Duration) { a.n.Store(int64(d)) }

// at asks for a run at a time. It costs a comparison if there is an earlier one.
func (e *expiry) at(due, now time.Duration) {
	if due >= e.due.Load() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if due >= e.due.Load() || e.stopped {
		return
	}
	e.due.Store(due)
	if e.timer == nil {
		e.timer = time.AfterFunc(due-now, e.run)
		return
	}
	e.timer.Reset(due - now)
}

func (e *expiry) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// expire removes what is too old in all namespaces.
func (b *Broker) expire() {
	b.expiry.due.Store(never)
	next := never
	for _, ns := range b.all() {
		next = min(next, b.expireIn(ns))
	}
	if now := time.Since(b.start); next < never {
		b.expiry.at(max(next, now+expireEvery), now)
	}
}

// expireIn removes what is too old in a namespace, and returns when there is more to remove.
func (b *Broker) expireIn(ns *namespace) (next time.Duration) {
	for more := true; more; {
		ns.mu.Lock()
		if ns.closed {
			ns.mu.Unlock()
			return never
		}
		now := time.Since(b.start)
		if more = ns.history.ExpireSome(now, expireAtOne); !more {
			ns.repeats.Expire(now)
			next = never
			if at, ok := ns.history.Expires(); ok {
				next = at
			}
			if at, ok := ns.repeats.Expires(); ok {
				next = min(next, at)
			}
		}
		ns.mu.Unlock()
	}
	return next
}
