package loop_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// everyStill runs body over a loop that is turned by hand, plain and under TLS. Bytes that
// are written to its sockets can be read at once.
func everyStill(t *testing.T, body func(t *testing.T, s *still)) {
	for name, version := range map[string]uint16{"plain": 0, "TLS": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body(t, &still{t, loop.NewStill(t, loop.Options{}), &rig{t: t, unix: true, tls: version}})
		})
	}
}

type still struct {
	t testing.TB
	*loop.Still
	rig *rig
}

func (s *still) open(p loop.Params) (loop.Conn, *ears, *peer) {
	s.t.Helper()
	near, far := s.rig.pair()
	e := newEars()
	c, err := s.Open(near, nil, p, func(loop.Conn) loop.Handler { return e })
	if err != nil {
		s.t.Fatal(err)
	}
	peer := newPeer(s.t, far, p)
	peer.patience = patience
	return c, e, peer
}

// wantNow checks the messages received so far.
func (e *ears) wantNow(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for len(e.messages) > 0 {
		got = append(got, short((<-e.messages).data))
	}
	for i := range want {
		want[i] = short(want[i])
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// All input is read after one report of the poller, a piece in each turn, whatever its size
// and however the stream ended.
func TestReadToTheEnd(t *testing.T) {
	t.Parallel()
	const piece = 64 << 10
	for name, sizes := range map[string][]int{
		"nothing":              {},
		"a little":             {10},
		"nearly a piece":       {piece - 100},
		"exactly a piece":      {piece - 8}, // with its header: 2, 2 for the length, 4 for the mask
		"pieces":               {50_000, 50_000, 10, 20_000},
		"one of many pieces":   {140_000},
		"before the take-over": {10, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyStill(t, func(t *testing.T, s *still) {
				for _, ends := range []bool{false, true} {
					_, ears, peer := s.open(loop.Params{})
					if name != "before the take-over" {
						s.Settle(t)
					}
					var want []string
					for i, size := range sizes {
						want = append(want, strings.Repeat(string(rune('a'+i)), size))
						peer.send(frame.Text, want[i])
					}
					if ends {
						peer.shut()
					}
					s.Settle(t)
					ears.wantNow(t, want...)
					if got := len(ears.closed) == 1; got != ends {
						t.Fatalf("ended: %t, want %t", got, ends)
					}
				}
			})
		})
	}
}

// Input that arrived while a connection was paused, and the end of the stream, are read on
// resuming, wherever they are buffered.
func TestReadOnResuming(t *testing.T) {
	t.Parallel()
	everyStill(t, func(t *testing.T, s *still) {
		for _, size := range []int{10, 100_000} {
			for _, ends := range []bool{false, true} {
				for _, opened := range []bool{false, true} {
					c, ears, peer := s.open(loop.Params{Paused: opened})
					s.Settle(t)
					if !opened {
						c.Pause()
						s.Settle(t)
					}
					text := strings.Repeat("x", size)
					peer.send(frame.Text, "first")
					s.Settle(t)
					peer.send(frame.Text, text)
					if ends {
						peer.shut()
					}
					s.Settle(t)
					ears.wantNow(t)
					c.Resume()
					s.Settle(t)
					ears.wantNow(t, "first", text)
					if got := len(ears.closed) == 1; got != ends {
						t.Fatalf("ended: %t, want %t", got, ends)
					}
				}
			}
		}
	})
}

// A peer that sends much, and continues, is read once in each turn, and never more often.
func TestOneReadATurn(t *testing.T) {
	t.Parallel()
	everyStill(t, func(t *testing.T, s *still) {
		_, ears, peer := s.open(loop.Params{})
		s.Settle(t)
		message := strings.Repeat("x", 8<<10)
		for range 16 {
			peer.send(frame.Text, message)
		}
		most := 0
		for range 50 {
			s.Turn()
			n := len(ears.messages)
			most = max(most, n)
			for range n { // it goes on
				<-ears.messages
				peer.send(frame.Text, message)
			}
		}
		if most > 9 {
			t.Errorf("%d messages of %d bytes were read in one turn", most, len(message))
		}
	})
}

// Input, pauses and ends in any order: when the loop rests, all input of an unpaused
// connection was received, and that of a paused one is after resuming.
func TestNothingIsLeftUnread(t *testing.T) {
	t.Parallel()
	everyStill(t, func(t *testing.T, s *still) {
		for seed := range uint64(40) {
			r := rand.New(rand.NewPCG(seed, 0))
			type one struct {
				conn           loop.Conn
				ears           *ears
				peer           *peer
				paused, ended  bool
				want           []string
				waits, written int
			}
			var all []*one
			for range 3 {
				o := &one{paused: r.IntN(3) == 0}
				o.conn, o.ears, o.peer = s.open(loop.Params{Paused: o.paused})
				all = append(all, o)
			}
			check := func(o *one) {
				t.Helper()
				o.ears.wantNow(t, o.want...)
				if got := len(o.ears.closed) == 1; got != o.ended {
					t.Fatalf("seed %d: ended: %t, want %t", seed, got, o.ended)
				}
				o.want, o.waits = nil, 0
			}
			for range 60 {
				o := all[r.IntN(len(all))]
				switch r.IntN(8) {
				case 0:
					if o.paused = !o.paused; o.paused {
						s.Settle(t) // input from before a pause may be read before it
						o.conn.Pause()
						s.Settle(t)
						check(o)
					} else {
						o.conn.Resume()
					}
				case 1:
					if !o.ended && r.IntN(8) == 0 {
						o.ended = true
						o.peer.shut()
					}
				case 2, 3, 4:
					size := []int{1, 100, 5_000, 64<<10 - 14, 90_000}[r.IntN(5)]
					if o.ended || o.waits+size > 120_000 {
						continue
					}
					o.written++
					text := fmt.Sprint(o.written, strings.Repeat("x", size))
					o.peer.send(frame.Text, text)
					o.want, o.waits = append(o.want, text), o.waits+size
				case 5:
					s.Turn()
				case 6:
					if !o.ended {
						o.conn.Write(frame.Text, []byte("to you"))
					}
				case 7:
					s.Settle(t)
					for _, o := range all {
						if !o.paused {
							check(o)
						}
					}
				}
			}
			for _, o := range all {
				o.conn.Resume()
			}
			s.Settle(t)
			for _, o := range all {
				check(o)
				o.peer.nc.Close()
			}
			s.Settle(t)
		}
	})
}

// A byte out of band ends a read before the bytes after it (MSG_OOB, tcp(7)).
func TestUrgentByte(t *testing.T) {
	t.Parallel()
	s := &still{t, loop.NewStill(t, loop.Options{}), &rig{t: t}}
	_, ears, peer := s.open(loop.Params{})
	s.Settle(t)
	raw, err := peer.nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	peer.send(frame.Text, "before")
	raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), []byte{0}, unix.MSG_OOB, nil)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	peer.send(frame.Text, "behind")
	until(t, "both are received", func() bool { s.Settle(t); return len(ears.messages) == 2 })
}

// While a loop is behind nothing is read; afterwards everything is.
func TestReadAfterCongestion(t *testing.T) {
	t.Parallel()
	everyStill(t, func(t *testing.T, s *still) {
		_, ears, peer := s.open(loop.Params{})
		_, others, other := s.open(loop.Params{})
		s.Settle(t)
		text := strings.Repeat("x", 140_000)
		peer.send(frame.Text, text)
		s.Turn() // it is not all
		s.Congest(true)
		other.send(frame.Text, "and I?")
		for range 5 {
			s.Turn()
		}
		ears.wantNow(t)
		others.wantNow(t)
		s.Congest(false)
		s.Settle(t)
		ears.wantNow(t, text)
		others.wantNow(t, "and I?")
	})
}

// A first request is read to its end, whatever its length and pieces, and an end of the
// stream behind it is noticed.
func TestRequestToTheEnd(t *testing.T) {
	t.Parallel()
	request := func(size int) string {
		return "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", size) + "\r\n\r\n"
	}
	message := string(frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte("behind")))
	for name, c := range map[string]struct {
		sent    string // half of it before the other
		asks    bool
		behind  int // bytes that come along with the request
		passed  bool
		refused bool
	}{
		"a request":           {sent: request(1), asks: true},
		"a message behind":    {sent: request(1) + message, asks: true, behind: len(message)},
		"a long one":          {sent: request(90_000), asks: true},
		"as long as a read":   {sent: request(64<<10 - len(request(0))), asks: true},
		"too long a one":      {sent: request(140_000), passed: true},
		"half a request":      {sent: request(1)[:20]},
		"nothing":             {},
		"another method":      {sent: "POST / HTTP/1.1\r\n\r\n", passed: true},
		"one that is refused": {sent: request(1) + message, asks: true, behind: len(message), refused: true},
	} {
		for _, ends := range []bool{false, true} {
			for _, late := range []bool{false, true} {
				s := &still{t, loop.NewStill(t, loop.Options{}), &rig{t: t, unix: true}}
				near, far := s.rig.pair()
				var arrival *loop.Accepted
				var behind string
				passed := make(chan net.Conn, 1) // closed when all is sent: one may be passed on before
				ears := newEars()
				s.Arrive(t, near, loop.Handshaker{
					MaxHeaderBytes: 100_000, HeaderTimeout: time.Minute,
					Upgrade: func(a *loop.Accepted) bool { arrival, behind = a, string(a.Behind); return true },
					Other:   func(nc net.Conn, _ []byte) { passed <- nc },
				})
				peer := newPeer(t, far, loop.Params{})
				pieces := []string{c.sent}
				if late {
					pieces = []string{c.sent[:len(c.sent)/2], c.sent[len(c.sent)/2:]}
				}
				for i, piece := range pieces {
					if i > 0 {
						s.Settle(t)
					}
					peer.write([]byte(piece))
				}
				if ends {
					peer.shut()
				}
				s.Settle(t)
				if (arrival != nil) != c.asks || len(passed) > 0 && !c.passed {
					t.Fatalf("%s: asks %t, is passed on %d", name, arrival != nil, len(passed))
				}
				if c.passed {
					await(t, passed).Close()
				}
				if gone := s.SlotsInUse()[0] == 0; gone != (!c.asks && (ends || c.passed)) {
					t.Fatalf("%s, ends %t: gone %t", name, ends, gone)
				}
				switch {
				case !c.asks:
					continue
				case c.refused:
					arrival.Refuse([]byte("no"))
				default:
					s.Open(arrival.NetConn(), []byte(behind), loop.Params{}, func(loop.Conn) loop.Handler { return ears })
				}
				s.Settle(t)
				switch {
				case c.refused:
					b := make([]byte, 2)
					if _, err := io.ReadFull(far, b); err != nil || string(b) != "no" {
						t.Fatalf("%s: %q, %v", name, b, err)
					}
					peer.expectEnd()
				case c.behind > 0:
					ears.wantNow(t, "behind")
				}
				if gone := s.SlotsInUse()[0] == 0; gone != ends {
					t.Fatalf("%s, ends %t: gone %t", name, ends, gone)
				}
			}
		}
	}
}

// After any history, a connection that is not paused ends once its peer has gone, without a
// timeout.
func TestEveryEndIsSeen(t *testing.T) {
	t.Parallel()
	everyStill(t, func(t *testing.T, s *still) {
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 0))
			p := loop.Params{Paused: r.IntN(4) == 0}
			if r.IntN(6) == 0 {
				p.Framing = loop.FrameBare
			} else {
				p.Client = r.IntN(6) == 0
			}
			c, ears, peer := s.open(p)
			var done []string
			for range r.IntN(9) {
				what := []string{"pause", "resume", "peer sends", "peer closes", "peer errs", "close", "send much", "send", "turn", "settle", "peer shuts"}[r.IntN(11)]
				done = append(done, what)
				switch what { // that the peer may fail is part of it
				case "pause":
					c.Pause()
				case "resume":
					c.Resume()
				case "peer sends":
					if len(done) < 3 { // the socket takes no more
						peer.nc.Write(peer.frame(frame.Text, strings.Repeat("x", 50_000)))
					}
				case "peer closes":
					peer.nc.Write(peer.closeFrame(1000, "bye"))
				case "peer errs":
					peer.nc.Write([]byte{0xff, 0xff})
				case "close":
					c.Close(1000, "bye")
				case "send much":
					for range 8 {
						c.Write(frame.Text, make([]byte, 100_000))
					}
				case "send":
					c.Write(frame.Text, []byte("to you"))
				case "turn":
					s.Turn()
				case "settle":
					s.Settle(t)
				case "peer shuts":
					peer.nc.(interface{ CloseWrite() error }).CloseWrite()
				}
			}
			below := peer.nc
			if tc, ok := below.(*tls.Conn); ok {
				below = tc.NetConn()
			}
			below.Close()
			s.Settle(t)
			c.Resume()
			s.Settle(t)
			if n, ends := s.SlotsInUse()[0], len(ears.closed); n != 0 || ends != 1 {
				t.Fatalf("seed %d: %d slots are left, %d ends, of %+v after %q", seed, n, ends, p, done)
			}
		}
	})
}
