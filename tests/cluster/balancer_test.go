package cluster_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A balancer takes connections and gives each to a node that is ready, in turn. It asks each node every
// 50 ms.
type balancer struct {
	listener net.Listener
	next     atomic.Uint64
	busy     sync.WaitGroup
	ended    chan struct{}

	mu    sync.Mutex
	nodes map[*node]bool // whether it is ready
}

func newBalancer(t *testing.T, nodes ...*node) *balancer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, ended: make(chan struct{}), nodes: make(map[*node]bool)}
	for _, n := range nodes {
		b.nodes[n] = true
	}
	b.busy.Go(b.check)
	b.busy.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			b.busy.Go(func() { b.carry(in) })
		}
	})
	t.Cleanup(func() { close(b.ended); l.Close(); b.busy.Wait() })
	return b
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

// set adds a node, or removes it.
func (b *balancer) set(n *node, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.nodes, n); there {
		b.nodes[n] = false
	}
}

func (b *balancer) check() {
	for {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-b.ended:
			return
		}
		for _, n := range b.all(func(bool) bool { return true }) {
			r, err := http.Get(n.url + "/readyz")
			if err == nil {
				r.Body.Close()
			}
			b.mu.Lock()
			if _, there := b.nodes[n]; there {
				b.nodes[n] = err == nil && r.StatusCode == http.StatusOK
			}
			b.mu.Unlock()
		}
	}
}

func (b *balancer) all(which func(ready bool) bool) (all []*node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, ready := range b.nodes {
		if which(ready) {
			all = append(all, n)
		}
	}
	return all
}

// carry carries a connection to a node and back.
func (b *balancer) carry(in net.Conn) {
	defer in.Close()
	ready := b.all(func(ready bool) bool { return ready })
	if len(ready) == 0 {
		return
	}
	out, err := net.Dial("tcp", ready[b.next.Add(1)%uint64(len(ready))].addr)
	if err != nil {
		return
	}
	defer out.Close()
	back := make(chan struct{})
	go func() { io.Copy(in, out); in.Close(); close(back) }()
	io.Copy(out, in)
	out.Close()
	<-back
}
