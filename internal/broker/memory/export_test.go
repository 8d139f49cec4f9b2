package memory

// Held is what a broker holds, as tests of memory given back want to see it.
type Held struct {
	Namespaces, Channels, Publications int
	Bytes                              int64
}

func (b *Broker) Held() (h Held) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, ns := range b.namespaces {
		ns.mu.Lock()
		h.Namespaces++
		h.Channels += len(ns.channels)
		h.Publications += ns.order.length
		h.Bytes += ns.bytes
		ns.mu.Unlock()
	}
	return h
}
