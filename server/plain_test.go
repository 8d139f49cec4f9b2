package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// Issue 14 §11: connections without a live one are shares of the open files.
func TestPlainConnectionsAreShares(t *testing.T) {
	t.Parallel()
	filter, err := auth.NewRequestFilter(auth.Policy{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}})
	if err != nil {
		t.Fatal(err)
	}
	p := &plain{filter: filter, shares: shares.New(4, "connections", nil), log: slog.New(slog.DiscardHandler)}
	open := func(addr string) (nc *closable, accepted bool) {
		nc = &closable{addr: addr}
		p.changed(nc, http.StateNew)
		p.changed(nc, http.StateActive)
		if nc.closed {
			p.changed(nc, http.StateClosed)
		}
		return nc, !nc.closed
	}
	first, _ := open("192.0.2.1:1")
	second, _ := open("192.0.2.1:2")
	if _, accepted := open("192.0.2.1:3"); accepted {
		t.Error("one address has more than half")
	}
	if _, accepted := open("192.0.2.2:1"); !accepted {
		t.Error("another address is refused")
	}
	p.changed(first, http.StateHijacked)
	p.changed(second, http.StateClosed)
	for i := range 3 {
		if _, accepted := open("192.0.2.9:1"); !accepted {
			t.Errorf("connection %d of a trusted proxy is refused", i+1)
		}
	}
	if held := p.shares.Held(); held != 4 {
		t.Errorf("%d are counted, want 4", held)
	}
	if _, accepted := open("192.0.2.9:1"); accepted {
		t.Error("there are more than all")
	}
}

type closable struct {
	net.Conn
	addr   string
	closed bool
}

func (c *closable) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.addr))
}
func (c *closable) Close() error { c.closed = true; return nil }
