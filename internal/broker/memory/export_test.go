package memory

import "maru.example/maru/internal/history"

// PublicationOverhead is shorter to say in tests, which have a function history.
const PublicationOverhead = history.Overhead

// Held is what a broker holds, as tests of memory given back want to see it.
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
