package memory

import (
	"maps"
	"slices"

	"maru.example/maru"
)

// Held implements maru.HeldReporter. Publications that are too old count until their
// namespace is used again.
func (b *Broker) Held() (held maru.Held) {
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.namespaces))
	b.mu.RUnlock()
	for _, ns := range all {
		ns.mu.Lock()
		held = held.Plus(ns.history.Held())
		ns.mu.Unlock()
	}
	return held
}
