package memory

import "maru.example/maru"

// all returns the pool and the listed namespaces.
func (b *Broker) all() []*namespace {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]*namespace, 1, 1+len(b.namespaces))
	all[0] = b.pool
	for _, ns := range b.namespaces {
		all = append(all, ns)
	}
	return all
}

// Held implements maru.HeldReporter.
func (b *Broker) Held() (held maru.Held) {
	for _, ns := range b.all() {
		ns.mu.Lock()
		if !ns.closed {
			held = held.Plus(ns.history.Held())
			held.Memory += ns.repeats.Memory()
		}
		ns.mu.Unlock()
	}
	held.Forgotten = b.heads.Forgotten() + b.poolHeads.Forgotten()
	return held
}

// shrinkStep is the bytes that Shrink frees in one namespace before it looks for the oldest
// publication again.
const shrinkStep = 64 << 10

// Shrink implements maru.Shrinker.
func (b *Broker) Shrink(bytes int64) (freed int64) {
	all := b.all()
	freed = shrink(b.pool, bytes)
	for freed < bytes {
		step := shrink(oldest(all), min(bytes-freed, shrinkStep))
		if step == 0 {
			break
		}
		freed += step
	}
	return freed
}

// oldest returns the namespace with the oldest publication.
func oldest(all []*namespace) *namespace {
	first, at := all[0], never
	for _, ns := range all {
		ns.mu.Lock()
		if !ns.closed {
			if expires, ok := ns.history.Expires(); ok && expires-ns.age < at {
				first, at = ns, expires-ns.age
			}
		}
		ns.mu.Unlock()
	}
	return first
}

func shrink(ns *namespace, bytes int64) int64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.closed {
		return 0
	}
	return ns.history.Shrink(bytes)
}
