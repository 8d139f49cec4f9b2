package loop

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// aRing is a ring; without one it ends the test, since everything else is tested without
// one too.
func aRing(t *testing.T) *ring {
	t.Helper()
	r := newRing()
	if r == nil {
		t.Skip("this system has no io_uring for us")
	}
	t.Cleanup(r.close)
	return r
}

// Each socket's result is that of send, however often the ring has wrapped, and none of
// them waits.
func TestRing(t *testing.T) {
	t.Parallel()
	r := aRing(t)
	takes, far := sockets(t)
	full, _ := sockets(t)
	gone, peer := sockets(t)
	peer.Close()
	for _, fd := range []int{takes, full, gone} {
		defer unix.Close(fd)
	}
	unix.SetNonblock(full, false) // even so
	for filled := false; !filled; {
		_, err := writeSocket(full, make([]byte, 4096))
		filled = wouldBlock(err)
	}
	b := make([]byte, 3)
	for round := range 10 {
		n := 0
		for ; !r.full(); n++ {
			r.prepare(opSend, []int{takes, full, gone, -1}[n%4], []byte("yes"))
		}
		results := r.submit()
		if len(results) != ringSends || n != ringSends || r.full() {
			t.Fatalf("round %d: %d results of %d", round, len(results), n)
		}
		for i, result := range results {
			want := []error{nil, unix.EAGAIN, unix.EPIPE, unix.EBADF}[i%4]
			if n, err := asResult(result); !errors.Is(err, want) || want == nil && n != len(b) {
				t.Fatalf("round %d: send %d answered %d, %v, want %v", round, i, n, err, want)
			}
		}
		for range ringSends / 4 {
			if _, err := far.Read(b); err != nil || string(b) != "yes" {
				t.Fatalf("round %d: got %q, %v", round, b, err)
			}
		}
	}
	if r.prepare(opSend, takes, []byte("one")); len(r.submit()) != 1 {
		t.Error("one send is not one result")
	}
}

// It receives as recv does: bytes, the end, nothing yet, an error.
func TestRingReceives(t *testing.T) {
	t.Parallel()
	r := aRing(t)
	says, far := sockets(t)
	silent, _ := sockets(t)
	over, left := sockets(t)
	far.Write([]byte("hello"))
	left.Close()
	for _, fd := range []int{says, silent, over} {
		defer unix.Close(fd)
	}
	unix.SetNonblock(silent, false) // even so
	b := make([]byte, 4*4)
	for i, fd := range []int{says, silent, over, -1} {
		r.prepare(opReceive, fd, b[4*i:4*i+4])
	}
	results := r.submit()
	for i, want := range []struct {
		n   int
		err error
	}{{n: 4}, {err: unix.EAGAIN}, {n: 0}, {err: unix.EBADF}} {
		if n, err := asResult(results[i]); !errors.Is(err, want.err) || want.err == nil && n != want.n {
			t.Errorf("receive %d answered %d, %v, want %d, %v", i, n, err, want.n, want.err)
		}
	}
	if string(b[:4]) != "hell" {
		t.Errorf("received %q", b[:4])
	}
}

// When the kernel no longer accepts the entries of a ring, everything is sent without it,
// once, also from then on.
func TestRingFails(t *testing.T) {
	t.Parallel()
	e := NewStill(t, Options{})
	l := e.Loop
	if l.out.ring == nil {
		t.Skip("this system has no io_uring for us")
	}
	g := e.NewGroup()
	var peers []net.Conn
	for range 3 * ringSends / 2 {
		near, far := sockets(t)
		c := l.slab.allocate(l)
		e.live.Add(1)
		l.opened(c.id, &opening{fd: near, handler: deaf{}})
		g.shards[0].members.Add(1)
		l.join(c.id, l.slab.slot(c.id), &g.shards[0])
		peers = append(peers, far)
	}
	l.flush()
	fd, fails := l.out.ring.fd, false
	defer func() { unix.Close(fd) }()
	for _, text := range []string{"by ring", "without", "and on"} {
		if text == "without" {
			l.out.ring.fd, fails = -1, true
		}
		l.append(&g.shards[0], NewMessage(frame.Text, []byte(text)), 0)
		l.flush()
		if fails != (l.out.ring == nil) {
			t.Fatalf("%s: failed %t, the ring is %v", text, fails, l.out.ring)
		}
		for i, far := range peers {
			b := make([]byte, 100)
			far.SetReadDeadline(time.Now().Add(20 * time.Second))
			if n, err := far.Read(b); err != nil || string(b[2:n]) != text {
				t.Fatalf("peer %d got %q, %v, want %q", i, b[:n], err, text)
			}
		}
	}
	if n := l.stats.writes.Load(); n != uint64(3*len(peers)) {
		t.Errorf("%d writes for %d deliveries", n, 3*len(peers))
	}
}
