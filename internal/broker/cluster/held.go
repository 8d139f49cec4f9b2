package cluster

import (
	"math"
	"time"

	"maru.example/maru"
)

var (
	_ maru.HeldReporter = (*Broker)(nil)
	_ maru.Shrinker     = (*Broker)(nil)
)

// Held implements maru.HeldReporter, for the namespaces that this node owns: the histories of others are in
// the memory of their owners alone.
func (b *Broker) Held() (sum maru.Held) {
	for _, ns := range b.owned() {
		sum = sum.Plus(ns.held())
	}
	for _, h := range b.heads {
		sum.Forgotten += h.Forgotten()
	}
	return sum
}

func (ns *namespace) held() maru.Held {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	h := ns.history.Held()
	h.Memory += ns.repeats.Memory()
	return h
}

// shrinkStep is how much of one namespace is freed before the oldest is looked for again.
const shrinkStep = 1 << 20

// Shrink implements maru.Shrinker. NATS keeps what is freed here until its own limits, and a later owner
// reads it again.
func (b *Broker) Shrink(bytes int64) (freed int64) {
	if pool := b.place("").owned(); pool != nil {
		freed = pool.shrink(bytes)
	}
	for freed < bytes {
		ns := b.oldest()
		if ns == nil {
			return freed
		}
		step := ns.shrink(min(bytes-freed, shrinkStep))
		if step == 0 {
			return freed
		}
		freed += step
	}
	return freed
}

// oldest returns the namespace of ours with the oldest publication; nil: nothing is retained.
func (b *Broker) oldest() (first *namespace) {
	at := time.Duration(math.MaxInt64)
	for _, ns := range b.owned() {
		ns.mu.Lock()
		if expires, ok := ns.history.Expires(); ok && expires-ns.retention.Age < at {
			first, at = ns, expires-ns.retention.Age
		}
		ns.mu.Unlock()
	}
	return first
}

func (ns *namespace) shrink(bytes int64) int64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.history.Shrink(bytes)
}
