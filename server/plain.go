package server

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/shares"
)

// arrivingShare is the part of Options.MaxConnections that may be before their first request. One
// address has half of that. It is enough for a rush of reconnects, where each is silent for a round trip
// or waits for its TLS handshake, and leaves open files for requests and live connections.
const arrivingShare = 2

// leastArriving is the least number for them: browsers open connections ahead, which must not take the
// place of others where MaxConnections is small. There are open files for so many in any case.
const leastArriving = 64

// maxArriving is how many connections may be before their first request; 0: there is no bound.
func maxArriving(maxConnections int) int {
	if maxConnections <= 0 {
		return 0
	}
	return max(maxConnections/arrivingShare, leastArriving)
}

// plain counts the connections that net/http has of the server's own listeners: they take open files,
// as live connections do. It is http.Server.ConnState.
type plain struct {
	arriving *front.Bound // those before their first request; also front.Accepting's
	requests *front.Bound // all: with requests, or between two

	fresh   atomic.Int64 // connections without a request yet
	asking  sync.Map     // from net.Conn, these, to the shares.Holder of arriving; nil: none
	refused sync.Map     // of net.Conn: connections that requests does not count
}

// Fresh returns how many connections have not had a request yet. net/http drops the request of such a
// connection when it shuts down, even one that it has read.
func (p *plain) Fresh() int { return int(p.fresh.Load()) }

func (p *plain) changed(nc net.Conn, state http.ConnState) {
	if state == http.StateNew {
		p.begin(nc)
		return
	}
	if holder, first := p.asking.LoadAndDelete(nc); first {
		p.fresh.Add(-1)
		if h, counted := holder.(shares.Holder); counted {
			p.arriving.Give(h)
		}
	}
	if state == http.StateHijacked || state == http.StateClosed {
		if _, refused := p.refused.LoadAndDelete(nc); !refused {
			p.requests.Give(p.requests.Holder(front.Peer(nc)))
		}
	}
}

// begin counts a new connection, or closes it: net/http then reports StateClosed.
func (p *plain) begin(nc net.Conn) {
	p.fresh.Add(1)
	h, ok := p.arriving.Take(front.Peer(nc))
	if ok {
		p.asking.Store(nc, h)
		_, ok = p.requests.Take(front.Peer(nc))
	} else {
		p.asking.Store(nc, nil)
	}
	if !ok {
		p.refused.Store(nc, nil)
		nc.Close()
	}
}
