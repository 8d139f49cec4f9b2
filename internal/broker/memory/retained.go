package memory

import (
	"maps"
	"slices"
)

// Retained is how much is retained now: of publications, and of bytes with what they
// cost beside their data. What is too old counts until its namespace is next used.
func (b *Broker) Retained() (publications int, bytes int64) {
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.namespaces))
	b.mu.RUnlock()
	for _, ns := range all {
		ns.mu.Lock()
		publications, bytes = publications+ns.order.length, bytes+ns.bytes
		ns.mu.Unlock()
	}
	return publications, bytes
}
