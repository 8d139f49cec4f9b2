package front

import (
	"sync"
	"sync/atomic"
)

// Accepting lets a server accept no more connections while it serves those that it has: where the
// socket stays open after the process, the others wait for the next one. The zero Accepting goes on;
// nil always does. Its methods are safe for concurrent use.
type Accepting struct {
	arriving atomic.Int64 // connections that goroutines of ours have

	mu    sync.Mutex
	ended bool
	stops []func()
}

// End ends the accepting of every listener, present and future. When it returns, nothing more
// is accepted.
func (a *Accepting) End() {
	a.mu.Lock()
	a.ended = true
	stops := a.stops
	a.stops = nil
	a.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// Arriving returns how many accepted connections are in their TLS handshake, or have a PROXY header to
// come.
func (a *Accepting) Arriving() int { return int(a.arriving.Load()) }

// add adds a listener. stop ends its accepting, and returns when that has ended.
func (a *Accepting) add(stop func()) {
	if a == nil {
		return
	}
	a.mu.Lock()
	ended := a.ended
	if !ended {
		a.stops = append(a.stops, stop)
	}
	a.mu.Unlock()
	if ended {
		go stop() // which waits for an Accept that is still to come
	}
}

// arrives counts a connection until it has arrived.
func (a *Accepting) arrives() (arrived func()) {
	if a == nil {
		return func() {}
	}
	a.arriving.Add(1)
	return func() { a.arriving.Add(-1) }
}
