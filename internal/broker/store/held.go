package store

import (
	"sort"
	"time"

	"maru.example/maru"
)

// Held implements maru.HeldReporter. Publications are counted until about a second after
// they became too old. Memory is that of the index and of the cache; Pebble's own is bounded
// and not counted.
func (b *Broker) Held() (held maru.Held) {
	for _, ns := range b.all() {
		ns.mu.Lock()
		held = held.Plus(ns.index.held())
		ns.mu.Unlock()
	}
	held.Memory += b.cache.held()
	held.Forgotten = b.early.Load()
	return held
}

// DiskBytes implements maru.DiskReporter, by the store's own account.
func (b *Broker) DiskBytes() int64 {
	b.mu.RLock()
	closed := b.closed
	b.mu.RUnlock()
	b.opening.RLock()
	defer b.opening.RUnlock()
	if b.db == nil || closed {
		return 0
	}
	return int64(b.db.Metrics().DiskSpaceUsage())
}

// Shrink implements maru.Shrinker. The cache gives way first. Then the oldest publications are
// removed, with what the index has of them: those of namespaces that are not listed before all
// others. Their writers do it, within a moment.
func (b *Broker) Shrink(bytes int64) (freed int64) {
	freed = b.cache.shrink(bytes)
	var pool, listed []*namespace
	for _, ns := range b.all() {
		if ns.name == "" {
			pool = append(pool, ns)
		} else {
			listed = append(listed, ns)
		}
	}
	for _, group := range [][]*namespace{pool, listed} {
		if freed < bytes {
			freed += b.shed(group, bytes-freed)
		}
	}
	return freed
}

// shed lets the writers of some namespaces remove their oldest publications, all that were
// published before one moment, and returns about how many bytes of memory that frees.
func (b *Broker) shed(group []*namespace, bytes int64) (freed int64) {
	now := b.now()
	oldest := now
	for _, ns := range group {
		oldest = min(oldest, ns.oldest(now))
	}
	const steps = 1 << 20
	step := (now-oldest)/steps + 1
	part := sort.Search(steps, func(part int) bool {
		return weightOf(group, oldest+step*time.Duration(part+1)) >= bytes
	})
	before := oldest + step*time.Duration(part+1)
	freed = weightOf(group, before)
	for _, ns := range group {
		if !b.count() {
			return 0
		}
		b.run(ns, ns.shed(before, now))
	}
	return freed
}

// weightOf returns about how much memory is freed if the publications before a time are removed.
func weightOf(group []*namespace, before time.Duration) (bytes int64) {
	for _, ns := range group {
		ns.mu.Lock()
		if all := ns.index.order.length(); all > 0 {
			bytes += ns.index.held().Memory * int64(min(ns.index.order.before(before), all)) / int64(all)
		}
		ns.mu.Unlock()
	}
	return bytes
}

// oldest returns when the oldest publication was published; now if there is none.
func (ns *namespace) oldest(now time.Duration) time.Duration {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n := ns.index.order.front(); n != nil {
		return n.at
	}
	return now
}

// shed lets the writer remove what was published before a time.
func (ns *namespace) shed(before, now time.Duration) (write bool) {
	ns.mu.Lock()
	ns.index.before = max(ns.index.before, before)
	ns.mu.Unlock()
	return ns.stir(now, false)
}
