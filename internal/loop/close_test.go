package loop_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

func TestCloseFromHere(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		if err := c.Send(text("before")); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(3000, "done"); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(text("after")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after close: %v", err)
		}
		if c.Open() {
			t.Error("open after close")
		}
		if err := c.Close(3001, "again"); err != nil {
			t.Errorf("second close: %v", err)
		}
		peer.expect(frame.Text, "before")
		peer.expectClose(3000, "done")
		peer.send(frame.Text, "still talking")
		peer.sendClose(3002, "peer's own")
		peer.expectEnd()
		ears.want(t, frame.Text, "still talking")
		ears.wantEnd(t, 3002, "peer's own", false)
		if n := c.Buffered(); n != 0 {
			t.Errorf("%d bytes buffered after the end", n)
		}
	})
}

func TestCloseFromThere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code   int
		reason string
		want   int
	}{
		"with a code":    {1000, "bye", 1000},
		"without a code": {0, "", 1005},
		"of our own use": {4999, "", 4999},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				_, ears, peer := r.conn(loop.Params{})
				peer.sendClose(test.code, test.reason)
				peer.expectClose(test.want, test.reason)
				peer.expectEnd()
				ears.wantEnd(t, test.want, test.reason, false)
			})
		})
	}
}

// A client waits for the server to end the stream (RFC 6455 §7.1.1).
func TestCloseAsClient(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{Client: true})
		peer.sendClose(1001, "moving")
		peer.expectClose(1001, "moving")
		select {
		case got := <-ears.closed:
			t.Errorf("ended before the server: %v", got)
		default:
		}
		peer.nc.Close()
		ears.wantEnd(t, 1001, "moving", false)
	})
}

func TestCloseRefusesWhatMayNotBeSent(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, _, peer := r.conn(loop.Params{})
		for _, code := range []int{-1, 1, 999, 1004, 1006, 1015, 5000, 1 << 20} {
			if err := c.Close(code, ""); !errors.Is(err, frame.ErrCloseCode) {
				t.Errorf("close with %d: %v", code, err)
			}
		}
		for _, reason := range []string{strings.Repeat("x", 124), "\xff"} {
			if err := c.Close(1000, reason); !errors.Is(err, frame.ErrCloseReason) {
				t.Errorf("close with reason %q: %v", reason, err)
			}
		}
		if !c.Open() {
			t.Fatal("a refused close has closed")
		}
		c.Send(text("alive"))
		peer.expect(frame.Text, "alive")
	})
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		c.Terminate()
		c.Terminate()
		peer.expectEnd()
		ears.wantEnd(t, 1006, "", true)
		c.Terminate()
		if err := c.Send(text("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after the end: %v", err)
		}
		if err := c.Close(1000, ""); err != nil {
			t.Errorf("close after the end: %v", err)
		}
	})
}

func TestPeerVanishes(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{})
		peer.send(frame.Text, "last words")
		peer.nc.Close()
		ears.want(t, frame.Text, "last words")
		if got := ears.wantEnd(t, 1006, "", true); !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", got.err)
		}
	})
}

// A peer may end its half of the stream right after its close frame and still
// wait for the answer.
func TestEndOfStreamBehindCloseFrame(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		for range 20 {
			_, ears, peer := r.conn(loop.Params{})
			peer.sendClose(1000, "bye")
			peer.shut()
			peer.expectClose(1000, "bye")
			peer.expectEnd()
			ears.wantEnd(t, 1000, "bye", false)
		}
	})
}

// The same with a fault instead of a close frame.
func TestEndOfStreamBehindFault(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		for range 20 {
			_, ears, peer := r.conn(loop.Params{})
			peer.write([]byte{0x81, 0x00}) // not masked
			peer.shut()
			if ev, err := peer.event(); err != nil || ev.Code != 1002 {
				t.Fatalf("got %v %d, error %v", ev.Op, ev.Code, err)
			}
			peer.expectEnd()
			if got := await(t, ears.closed); got.code != 1002 || got.err == nil {
				t.Fatalf("ended with %v", got)
			}
		}
	})
}

// Answers to messages come before the answer to the close frame behind them.
func TestAnswersComeBeforeTheEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		last []byte
		code int
	}{
		"close":     {frame.AppendMasked(nil, frame.Close, false, [4]byte{}, []byte{3, 232}), 1000},
		"violation": {[]byte{0x81, 0x00}, 1002},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.start()
				near, far := r.pair()
				_, err := r.engine.Open(near, nil, loop.Params{}, func(c loop.Conn) loop.Handler { return echo{c} })
				if err != nil {
					t.Fatal(err)
				}
				peer := newPeer(t, far, loop.Params{})
				var all []byte
				for range 100 {
					all = append(all, peer.frame(frame.Text, "hello")...)
				}
				peer.write(append(all, test.last...))
				for range 100 {
					peer.expect(frame.Text, "hello")
				}
				if ev, err := peer.event(); err != nil || ev.Code != test.code {
					t.Fatalf("got %v %d, error %v", ev.Op, ev.Code, err)
				}
			})
		})
	}
}

type echo struct{ loop.Conn }

func (e echo) Message(op frame.Opcode, data []byte) { e.Send(loop.NewMessage(op, data)) }
func (echo) Closed(int, string, error)              {}

func TestShutdown(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{})
		paused, pausedEars, pausedPeer := r.conn(loop.Params{Paused: true})
		down := make(chan error, 1)
		go func() { down <- r.engine.Shutdown(context.Background(), 1001, "moving") }()
		peer.expectClose(1001, "moving")
		pausedPeer.expectClose(1001, "moving")
		peer.sendClose(1001, "")
		pausedPeer.sendClose(1001, "")
		ears.wantEnd(t, 1001, "", false)
		paused.Resume()
		pausedEars.wantEnd(t, 1001, "", false)
		if err := await(t, down); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := r.engine.Len(); n != 0 {
			t.Errorf("%d connections after shutdown", n)
		}
	})
}

func TestAfterShutdown(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		e := r.start()
		group := e.NewGroup()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Shutdown(over, 1001, ""); err != nil {
			t.Errorf("shutdown with nothing to cut: %v", err)
		}
		if err := e.Shutdown(t.Context(), 1001, ""); err != nil {
			t.Errorf("second shutdown: %v", err)
		}
		near, far := r.pair()
		c, err := e.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler {
			t.Error("a handler was made")
			return newEars()
		})
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("open: %v", err)
		}
		newPeer(t, far, loop.Params{}).expectEnd()
		if err := c.Send(text("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send: %v", err)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Errorf("wait: %v", err)
		}
		group.Add(c)
		group.Append(text("x"))
	})
}

// A peer that sent a close frame and cut the connection was closed normally, also for a
// server that was writing to it.
func TestCloseFrameBehindBrokenSocket(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.Loops = 1
		c, e1, p1 := r.conn(loop.Params{})
		group := r.engine.NewGroup()
		group.Add(c)
		member, e2, p2 := r.conn(loop.Params{})
		group.Add(member)
		release := r.hold()
		for _, p := range []*peer{p1, p2} {
			p.write(append(p.frame(frame.Text, "last words"), p.closeFrame(1001, "leaving")...))
			p.reset()
		}
		c.Send(text("a queue of its own"))
		group.Append(text("for all"))
		release()
		for _, e := range []*ears{e1, e2} {
			e.want(t, frame.Text, "last words")
			e.wantEnd(t, 1001, "leaving", false)
		}
	})
}

// A fault after our close frame ends the stream: the peer is not left waiting
// for the time of the closing handshake to pass.
func TestFaultDuringClose(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.CloseTimeout = patience * 2
		c, ears, peer := r.conn(loop.Params{})
		c.Close(1000, "")
		peer.expectClose(1000, "")
		peer.write([]byte{0x81, 0x00}) // not masked
		peer.expectEnd()
		peer.nc.Close()
		if got := await(t, ears.closed); got.code != 1002 || got.err == nil {
			t.Errorf("ended with %v", got)
		}
	})
}

// A context that ends cuts the remaining connections, also by a second call while the first
// still waits.
func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{})
		first := make(chan error, 1)
		go func() { first <- r.engine.Shutdown(context.Background(), 1001, "") }()
		peer.expectClose(1001, "")
		gone := errors.New("no more patience")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(gone)
		if err := r.engine.Shutdown(ctx, 1001, ""); !errors.Is(err, gone) {
			t.Errorf("shutdown: %v", err)
		}
		ears.wantEnd(t, 1006, "", true)
		await(t, first)
	})
}
