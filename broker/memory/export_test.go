package memory

import "maru.example/maru/internal/history"

// PublicationOverhead is history.Overhead; the tests have a function named history.
const PublicationOverhead = history.Overhead

// Held is what a broker holds, for tests of freed memory.
type Held struct {
	Namespaces, Channels, Publications int
	Bytes                              int64
}

func (b *Broker) HeldInAll() Held {
	held := b.Held()
	b.mu.RLock()
	defer b.mu.RUnlock()
	return Held{len(b.namespaces), held.Channels, held.Publications, held.Bytes}
}
