package loop_test

import (
	"crypto/tls"
	"strconv"
	"sync/atomic"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Bytes that were read before the connection was taken over wait for Resume and come first.
func TestHeldBytes(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		first := frame.AppendMasked(nil, frame.Text, false, [4]byte{9, 8, 7, 6}, []byte("first"))
		second := frame.AppendMasked(nil, frame.Text, false, [4]byte{5, 4, 3, 2}, []byte("second"))
		c, ears, peer := r.conn(loop.Params{Paused: true}, append(first, second[:3]...)...)
		peer.write(second[3:])
		c.Send(text("done with this turn"))
		peer.expect(frame.Text, "done with this turn")
		if len(ears.messages) > 0 {
			t.Fatal("a message while paused")
		}
		c.Resume()
		ears.want(t, frame.Text, "first")
		ears.want(t, frame.Text, "second")
	})
}

// Pausing and resuming while bytes arrive neither loses nor changes any.
func TestPauseAndResumeKeepTheStream(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		const n = 5000
		go func() {
			for i := range n {
				peer.send(frame.Text, strconv.Itoa(i))
			}
		}()
		for i := range n {
			c.Pause()
			c.Resume()
			ears.want(t, frame.Text, strconv.Itoa(i))
		}
	})
}

// A paused connection that fails reads on, to see the end of the stream.
func TestFailureWhilePaused(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogMessages = 10
		r.options.BacklogBytes = 1 << 20
		c, ears, peer := r.conn(loop.Params{Paused: true})
		slow(t, c)
		for {
			if ev, err := peer.event(); err != nil {
				t.Fatal(err)
			} else if ev.Op == frame.Close {
				if ev.Code != 1013 {
					t.Errorf("closed with %d", ev.Code)
				}
				break
			}
		}
		c.Pause() // has no effect any more
		peer.expectEnd()
		peer.nc.Close()
		ears.wantEnd(t, 1013, "slow", true)
	})
}

// The close frame that the peer sent before the pause is answered.
func TestCloseFrameThenPause(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		near, far := r.pair()
		r.start()
		ended := newEars()
		_, err := r.engine.Open(near, nil, loop.Params{Client: true}, func(c loop.Conn) loop.Handler { return pauser{ended, c} })
		if err != nil {
			t.Fatal(err)
		}
		peer := newPeer(t, far, loop.Params{Client: true})
		peer.write(append(peer.frame(frame.Text, "too much"), peer.closeFrame(1000, "bye")...))
		peer.expectClose(1000, "bye")
		peer.nc.Close()
		ended.wantEnd(t, 1000, "bye", false)
	})
}

// pauser pauses at the first message.
type pauser struct {
	*ears
	conn loop.Conn
}

func (p pauser) Message(frame.Opcode, []byte) { p.conn.Pause() }

// slow sends to c, whose peer does not read, until it is closed.
func slow(t *testing.T, c loop.Conn) {
	t.Helper()
	big := loop.NewMessage(frame.Binary, make([]byte, 256<<10))
	until(t, "the connection is slow", func() bool { c.Send(big); return !c.Open() })
}

// goneEars notes Gone.
type goneEars struct {
	*ears
	gone chan struct{}
}

func (e *goneEars) Gone() {
	select {
	case e.gone <- struct{}{}:
	default:
	}
}

// The handler of a paused connection is notified when the peer resets it, also if that came
// before the pause, and messages from before are still read. An end of the peer's side alone is
// not reported: what it has sent is to be read first.
func TestGoneWhilePaused(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*rig{"plain": {}, "TLS": {tls: tls.VersionTLS13}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t, r.options.Loops = t, 1
			r.start()
			near, far := r.pair()
			e := &goneEars{newEars(), make(chan struct{}, 1)}
			c, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return e })
			if err != nil {
				t.Fatal(err)
			}
			peer := newPeer(t, far, loop.Params{})
			c.Pause()
			c.Send(text("paused"))
			peer.expect(frame.Text, "paused")
			peer.send(frame.Text, "first")
			if r.tls == 0 {
				peer.shut()
			}
			c.Send(text("alive"))
			peer.expect(frame.Text, "alive")
			select {
			case <-e.gone:
				t.Error("gone with the end of its side")
			default:
			}
			peer.reset()
			await(t, e.gone)
			c.Resume()
			await(t, e.closed)
		})
	}
}

// A pause holds soon also within one read, of which compression makes a great many bytes. What is behind
// is neither lost nor changed.
func TestPauseWithinOneRead(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		near, far := r.pair()
		r.start()
		const each, n = 256 << 10, 200
		counts := &pausing{ears: newEars()}
		p := loop.Params{Compression: frame.Compression{DeflateBits: 15}}
		conn, err := r.engine.Open(near, nil, p, func(c loop.Conn) loop.Handler { counts.conn = c; return counts })
		if err != nil {
			t.Fatal(err)
		}
		peer := newPeer(t, far, p)
		small, err := frame.Deflate(nil, make([]byte, each), 15)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for range n {
			all = append(all, peer.maybeDeflated(frame.Binary, true, small)...)
		}
		go peer.nc.Write(append(all, peer.frame(frame.Text, "behind")...)) // one read, or a few
		until(t, "the first message", func() bool { return counts.bytes.Load() > 0 })
		conn.Send(text("done with this turn"))
		peer.expect(frame.Text, "done with this turn")
		if got := counts.bytes.Load(); got > 8<<20 {
			t.Errorf("%d MiB of messages after the pause", got>>20)
		}
		for counts.bytes.Load() < n*each+6 {
			conn.Resume()
		}
		counts.want(t, frame.Text, "behind")
	})
}

// pausing pauses at each message and counts bytes.
type pausing struct {
	*ears
	conn  loop.Conn
	bytes atomic.Int64
}

func (c *pausing) Message(op frame.Opcode, data []byte) {
	c.conn.Pause()
	if op == frame.Text {
		c.ears.Message(op, data)
	}
	c.bytes.Add(int64(len(data)))
}
