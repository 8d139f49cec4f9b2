package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru/internal/frame"
)

// aRing is a ring, or the end of the test: everything else is tested without one, too.
func aRing(t *testing.T) *ring {
	t.Helper()
	r := newRing()
	if r == nil {
		t.Skip("this system has no io_uring for us")
	}
	t.Cleanup(r.close)
	return r
}

// Each socket's result is what send would have said, however often the ring has gone
// round, and none of them waits.
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
			r.prepare([]int{takes, full, gone, -1}[n%4], []byte("yes"))
		}
		results := r.send()
		if len(results) != ringSends || n != ringSends || r.full() {
			t.Fatalf("round %d: %d results of %d", round, len(results), n)
		}
		for i, result := range results {
			want := []error{nil, unix.EAGAIN, unix.EPIPE, unix.EBADF}[i%4]
			if n, err := asSent(result); !errors.Is(err, want) || want == nil && n != len(b) {
				t.Fatalf("round %d: send %d answered %d, %v, want %v", round, i, n, err, want)
			}
		}
		for range ringSends / 4 {
			if _, err := far.Read(b); err != nil || string(b) != "yes" {
				t.Fatalf("round %d: got %q, %v", round, b, err)
			}
		}
	}
	if r.prepare(takes, []byte("one")); len(r.send()) != 1 {
		t.Error("one send is not one result")
	}
}

// Where the kernel takes no more of a ring, which it once gave, all is sent without,
// once, and from then on too.
func TestRingFails(t *testing.T) {
	t.Parallel()
	e := NewStill(t, Options{})
	l := e.Loop
	l.closeRing()
	l.ring = aRing(t)
	g := e.NewGroup()
	var peers []net.Conn
	for range 3 * ringSends / 2 {
		near, far := sockets(t)
		c := l.slab.take(l)
		e.live.Add(1)
		l.opened(c.id, &opening{fd: near, handler: deaf{}})
		g.shards[0].members.Add(1)
		l.join(c.id, l.slab.slot(c.id), &g.shards[0])
		peers = append(peers, far)
	}
	l.flush()
	fd, fails := l.ring.fd, false
	defer func() { unix.Close(fd) }()
	for _, text := range []string{"by ring", "without", "and on"} {
		if text == "without" {
			l.ring.fd, fails = -1, true
		}
		l.append(&g.shards[0], NewMessage(frame.Text, []byte(text)), 0)
		l.flush()
		if fails != (l.ring == nil) {
			t.Fatalf("%s: failed %t, the ring is %v", text, fails, l.ring)
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

// busy answers each message, and remembers how much at most the inbox held.
type busy struct {
	deaf
	conn Conn
	most *int64
}

func (b busy) Message(op frame.Opcode, data []byte) {
	b.conn.Write(op, data)
	*b.most = max(*b.most, b.conn.loop.inbox.bytes.Load())
}

// What the handlers of a crowd post is taken for several of them together, and before it
// is much.
func TestCrowdIsHeardTogether(t *testing.T) {
	t.Parallel()
	const members = 4 * heard
	for name, test := range map[string]struct {
		messages int // that each sends at once
		least    int // of them that the inbox holds at most
		most     int
	}{
		"few each":  {messages: 1, least: heard, most: heard},
		"many each": {messages: 500, least: 500, most: readBytes/commandBytes + 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewStill(t, Options{})
			if s.Loop.ring == nil {
				t.Skip("this system has no io_uring for us: answers are written one by one")
			}
			one := frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte("x"))
			var most int64
			var peers []net.Conn
			for range members {
				near, far := sockets(t)
				c := s.Loop.slab.take(s.Loop)
				s.live.Add(1)
				s.Loop.opened(c.id, &opening{fd: near, handler: busy{conn: c, most: &most}})
				peers = append(peers, far)
			}
			s.Settle(t)
			for _, far := range peers {
				far.Write(bytes.Repeat(one, test.messages))
			}
			s.Settle(t)
			const each = commandBytes + 3 // with a frame of one byte
			if held := int(most) / each; held < test.least || held > test.most {
				t.Errorf("the inbox held what answers %d messages, want %d to %d", held, test.least, test.most)
			}
			for i, far := range peers {
				answer := make([]byte, 3*test.messages)
				far.SetReadDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.ReadFull(far, answer); err != nil || string(answer) != strings.Repeat("\x81\x01x", test.messages) {
					t.Fatalf("peer %d got %q, %v", i, answer, err)
				}
			}
		})
	}
}
