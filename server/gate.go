package server

import "sync"

// gate counts the requests inside and can be closed.
type gate struct {
	mu     sync.Mutex
	inside int
	empty  chan struct{} // not nil once closed; closed itself when nobody is inside
}

// enter reports whether the gate was open. Who entered leaves.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty != nil {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
	}
}

// closed reports whether nobody is let in any more.
func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.empty != nil
}

// close lets nobody in any more. The Go channel is closed when the last has left.
// It is called once.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.empty = make(chan struct{})
	if g.inside == 0 {
		close(g.empty)
	}
	return g.empty
}
