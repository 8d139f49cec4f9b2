package memory

import (
	"maps"
	"slices"

	"maru.example/maru/internal/history"
)

// Held is how much is retained now, in all namespaces. What is too old counts until
// its namespace is next used.
func (b *Broker) Held() (held history.Held) {
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
