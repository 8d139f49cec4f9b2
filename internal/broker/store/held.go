package store

import "maru.example/maru"

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

// Shrink implements maru.Shrinker. It frees publications that are in memory as a copy, and
// removes none: all of them are on disk.
func (b *Broker) Shrink(bytes int64) (freed int64) { return b.cache.shrink(bytes) }
