package front

import (
	"net"
	"sync"
	"sync/atomic"

	"maru.example/maru/internal/shares"
)

// Accepting lets a server accept no more connections while it serves those that it has: where the
// socket stays open after the process, the others wait for the next one. The zero Accepting goes on;
// nil always does. Its methods are safe for concurrent use.
type Accepting struct {
	// Bound is that of connections before their first request: those in their TLS handshake, with a
	// PROXY header to come, and those of loops before their request is decided on. It is set before
	// use; nil: there is none. net/http counts those that it has by itself: http.Server.ConnState.
	Bound *Bound

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

// arrival is one connection that arrives. It belongs to one goroutine; nil is one that is not counted.
type arrival struct {
	accepting *Accepting
	holder    shares.Holder
	bounded   bool // the Bound counts it
}

// arrives counts a connection until it has arrived. ok is false if the bound has no room for it.
func (a *Accepting) arrives(nc net.Conn) (v *arrival, ok bool) {
	if a == nil {
		return nil, true
	}
	h, ok := a.Bound.Take(Peer(nc))
	if !ok {
		return nil, false
	}
	a.arriving.Add(1)
	return &arrival{a, h, true}, true
}

// pass gives back its place in the bound, before it is passed to what counts it anew.
func (v *arrival) pass() {
	if v != nil && v.bounded {
		v.bounded = false
		v.accepting.Bound.Give(v.holder)
	}
}

// end is called when it has arrived, or is closed.
func (v *arrival) end() {
	v.pass()
	if v != nil {
		v.accepting.arriving.Add(-1)
	}
}

// bound is the Bound, if there is one.
func (a *Accepting) bound() *Bound {
	if a == nil {
		return nil
	}
	return a.Bound
}
