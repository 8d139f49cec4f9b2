package admission

import (
	"encoding/binary"
	"maps"
	"net/netip"

	"maru.example/maru/internal/fields"
)

// elsewhere is how many connections addresses have on the other nodes of a cluster. Registry.mu guards
// it.
type elsewhere struct {
	changed map[netip.Addr]struct{} // of this node, since the last message
	nodes   map[string]map[netip.Addr]int
	sum     map[netip.Addr]int
}

// join begins to count what other nodes have, if addresses are limited.
func (r *Registry) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.addrs != nil {
		r.elsewhere = &elsewhere{changed: make(map[netip.Addr]struct{}), nodes: make(map[string]map[netip.Addr]int), sum: make(map[netip.Addr]int)}
	}
}

// note notes that the count of an address has changed here; of is the count elsewhere. Both may be
// called on nil.
func (e *elsewhere) note(block netip.Addr) {
	if e != nil {
		e.changed[block] = struct{}{}
	}
}

func (e *elsewhere) of(block netip.Addr) int {
	if e == nil {
		return 0
	}
	return e.sum[block]
}

// give returns the counts that have changed since the last call, or all, as messages:
//
//	1: this is the first of all, 0: it is not · (address · n)…
func (r *Registry) give(all bool) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.elsewhere
	if e == nil {
		return nil
	}
	m := messages{head: []byte{0}}
	add := func(block netip.Addr) {
		m.add(func(dst []byte) []byte { return binary.AppendUvarint(appendAddr(dst, block), uint64(r.addrs[block])) })
	}
	if !all {
		for block := range e.changed {
			add(block)
		}
	} else {
		m.all = [][]byte{{1}}
		for block := range r.addrs {
			add(block)
		}
	}
	clear(e.changed)
	return m.all
}

// take takes over the counts of another node.
func (r *Registry) take(node string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.elsewhere
	if e == nil {
		return
	}
	in := fields.Reader{Rest: data}
	if in.Byte() == 1 {
		e.forget(node)
	}
	if e.nodes[node] == nil {
		e.nodes[node] = make(map[netip.Addr]int)
	}
	for len(in.Rest) > 0 {
		block, n := readAddr(&in), in.Uvarint()
		if in.Failed || n > 1<<31-1 {
			return
		}
		e.set(e.nodes[node], block, int(n))
	}
}

func (e *elsewhere) set(of map[netip.Addr]int, block netip.Addr, n int) {
	if e.sum[block] += n - of[block]; e.sum[block] <= 0 {
		delete(e.sum, block)
	}
	if of[block] = n; n == 0 {
		delete(of, block)
	}
}

// gone forgets the counts of a node that is no longer alive.
func (r *Registry) gone(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.elsewhere != nil {
		r.elsewhere.forget(node)
	}
}

func (e *elsewhere) forget(node string) {
	of := e.nodes[node]
	for block := range maps.Clone(of) {
		e.set(of, block, 0)
	}
	delete(e.nodes, node)
}
