package front_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/shares"
)

// One address has half, an address that tells nobody apart has all, and what is given back can be taken
// again. The log says who and what to do.
func TestBound(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	exempt := netip.MustParseAddr("192.0.2.9")
	b := front.NewBound(4, "connections", func(a netip.Addr) shares.Holder {
		if a == exempt {
			return 0
		}
		return shares.Address(a)
	}, slog.New(slog.NewTextHandler(&log, nil)))
	at := func(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 1) }
	var first shares.Holder
	for _, c := range []struct {
		addr string
		ok   bool
	}{
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, // one customer
		{"192.0.2.9", true}, {"192.0.2.9", true}, {"192.0.2.9", false},
		{"192.0.2.1", false},
	} {
		h, ok := b.Take(at(c.addr))
		if ok != c.ok {
			t.Errorf("%s: %v, want %v", c.addr, ok, c.ok)
		}
		if first == 0 {
			first = h
		}
	}
	b.Give(first)
	if _, ok := b.Take(at("192.0.2.1")); !ok || b.Held() != 4 {
		t.Errorf("after one was given back: %v, %d are held", ok, b.Held())
	}
	if address, all := b.Refused(); address != 1 || all != 2 {
		t.Errorf("refused: %d of an address, %d in all", address, all)
	}
	if said := log.String(); !strings.Contains(said, "addr=[2001:db8::3]:1") || !strings.Contains(said, "--trusted-proxy") {
		t.Errorf("the log says %s", said)
	}
}

// Without a maximum there is no bound.
func TestNoBound(t *testing.T) {
	t.Parallel()
	b := front.NewBound(0, "connections", nil, nil)
	h, ok := b.Take(netip.AddrPort{})
	b.Give(h)
	if address, all := b.Refused(); !ok || b.Held()+int64(address+all) != 0 {
		t.Error("it bounds")
	}
	if l := net.Listener(new(net.TCPListener)); b.Listener(l) != l {
		t.Error("it changes the listener")
	}
}

// A listener counts its connections until they are closed.
func TestBoundListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := front.NewBound(3, "connections", shares.Address, slog.New(slog.DiscardHandler))
	l = b.Listener(l)
	accepted := make(chan net.Conn)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- nc
		}
	}()
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		return nc
	}
	dial()
	one := <-accepted
	far := dial()
	two := <-accepted
	if n, err := dial().Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("a third: %d, %v", n, err)
	}
	two.(interface{ CloseWrite() error }).CloseWrite()
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("half closed: %v", err)
	}
	one.Close()
	one.Close()
	if b.Held() != 1 {
		t.Errorf("%d are held", b.Held())
	}
	dial()
	(<-accepted).Close()
	two.Close()
}
