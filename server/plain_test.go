package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/front"
)

// newPlain has a trusted proxy at 192.0.2.9, so that callers on loopback are told apart.
func newPlain(t *testing.T, arriving, requests int, log *bytes.Buffer) *plain {
	t.Helper()
	filter, err := auth.NewRequestFilter(auth.Policy{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}})
	if err != nil {
		t.Fatal(err)
	}
	to := slog.New(slog.NewTextHandler(log, nil))
	return &plain{
		arriving: front.NewBound(arriving, "connections before their first request", filter.PeerHolder, to),
		requests: front.NewBound(requests, "connections with requests", filter.PeerHolder, to),
	}
}

// open opens a connection, and sends its first request if it asks.
func (p *plain) open(addr string, asks bool) (nc *closable, accepted bool) {
	nc = &closable{addr: addr}
	p.changed(nc, http.StateNew)
	if asks && !nc.closed {
		p.changed(nc, http.StateActive)
	}
	if nc.closed {
		p.changed(nc, http.StateClosed)
	}
	return nc, !nc.closed
}

// Issue 14 §11: connections without a live one are shares of the open files.
func TestPlainConnectionsAreShares(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := newPlain(t, 0, 4, &log)
	first, _ := p.open("192.0.2.1:1", true)
	second, _ := p.open("192.0.2.1:2", true)
	if _, accepted := p.open("192.0.2.1:3", true); accepted {
		t.Error("one address has more than half")
	}
	if said := log.String(); !strings.Contains(said, "addr=192.0.2.1:3") || !strings.Contains(said, "--trusted-proxy") {
		t.Errorf("the log says %q", said)
	}
	if _, accepted := p.open("192.0.2.2:1", true); !accepted {
		t.Error("another address is refused")
	}
	p.changed(first, http.StateHijacked)
	p.changed(second, http.StateClosed)
	for i := range 3 {
		if _, accepted := p.open("192.0.2.9:1", true); !accepted {
			t.Errorf("connection %d of a trusted proxy is refused", i+1)
		}
	}
	if held := p.requests.Held(); held != 4 {
		t.Errorf("%d are counted, want 4", held)
	}
	if _, accepted := p.open("192.0.2.9:1", true); accepted {
		t.Error("there are more than all")
	}
	if address, all := p.requests.Refused(); address != 1 || all != 1 {
		t.Errorf("counted as refused: %d of an address, %d of all", address, all)
	}
}

// Issue 16: connections that net/http has, and that have not sent their first request, are shares too;
// between two requests a connection counts with the others.
func TestFirstRequestsAreShares(t *testing.T) {
	t.Parallel()
	p := newPlain(t, 4, 100, new(bytes.Buffer))
	silent, _ := p.open("192.0.2.1:1", false)
	p.open("192.0.2.1:2", false)
	if _, accepted := p.open("192.0.2.1:3", false); accepted {
		t.Error("one address has more than half")
	}
	if _, accepted := p.open("192.0.2.2:1", false); !accepted {
		t.Error("another address is refused")
	}
	p.changed(silent, http.StateActive)
	for i := range 5 {
		nc, accepted := p.open("192.0.2.1:4", true)
		if !accepted {
			t.Fatalf("connection %d with a request is refused", i)
		}
		p.changed(nc, http.StateIdle)
	}
	for i := range 3 { // and the proxy, up to all
		if _, accepted := p.open("192.0.2.9:1", false); accepted != (i < 2) {
			t.Errorf("connection %d of a trusted proxy: accepted %v", i+1, accepted)
		}
	}
	if p.arriving.Held() != 4 || p.Fresh() != 4 {
		t.Errorf("%d are counted, %d are without a request; want 4", p.arriving.Held(), p.Fresh())
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
