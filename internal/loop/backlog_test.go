package loop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A peer that does not read is closed with 1013 once its backlog exceeds a limit. When it
// reads later it gets whole messages in order, the close frame, and the end.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options loop.Options
		size    int
	}{
		"bytes":    {loop.Options{BacklogBytes: 100_000, BacklogMessages: 1 << 20}, 20_000},
		"messages": {loop.Options{BacklogBytes: 1 << 30, BacklogMessages: 20}, 20_000},
	}
	for name, test := range tests {
		for _, by := range []string{"connection", "group"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				everyDriver(t, func(t *testing.T, r *rig) {
					r.options.BacklogBytes, r.options.BacklogMessages = test.options.BacklogBytes, test.options.BacklogMessages
					r.narrow = true // so that it is slow after few messages
					c, ears, peer := r.conn(loop.Params{})
					r.narrow = false
					other, _, otherPeer := r.conn(loop.Params{})
					g, all := r.engine.NewGroup(), r.engine.NewGroup()
					g.Add(c)
					all.Add(other)
					all.Add(c)
					sent := 0
					until(t, "the connection is slow", func() bool {
						m := text(fmt.Sprintf("%06d%s", sent, strings.Repeat("x", test.size)))
						sent++
						if by == "group" {
							g.Append(m)
						} else {
							c.Send(m)
						}
						other.Send(text("undisturbed"))
						otherPeer.expect(frame.Text, "undisturbed")
						return !c.Open()
					})
					all.Append(text("for the others"))
					otherPeer.expect(frame.Text, "for the others")
					if n := r.engine.Stats().Slow.Sum(); n != 1 {
						t.Errorf("%d slow connections", n)
					}
					got := 0
					for {
						ev, err := peer.event()
						if err != nil {
							t.Fatal(err)
						}
						if ev.Op == frame.Close {
							if ev.Code != 1013 || ev.Reason != "slow" {
								t.Errorf("closed with %d %q", ev.Code, ev.Reason)
							}
							break
						}
						if want := fmt.Sprintf("%06d", got); string(ev.Payload[:6]) != want {
							t.Fatalf("message %s, want %s", ev.Payload[:6], want)
						}
						got++
					}
					if got == 0 || got >= sent {
						t.Errorf("%d messages of %d came", got, sent)
					}
					peer.expectEnd()
					peer.nc.Close()
					if got := ears.wantEnd(t, 1013, "slow", true); errors.Is(got.err, loop.ErrClosed) {
						t.Errorf("error %v", got.err)
					}
				})
			})
		}
	}
}

// A replay may exceed the backlog's limits; messages after it may not.
func TestReplayLiftsTheBounds(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes, r.options.BacklogMessages = 10_000, 10
		c, ears, peer := r.conn(loop.Params{})
		const n = 500
		var replay []*loop.Message
		for i := range n {
			replay = append(replay, text(fmt.Sprintf("%06d%s", i, strings.Repeat("x", 20_000))))
		}
		if err := c.SendAll(replay); err != nil {
			t.Fatal(err)
		}
		if c.Buffered() == 0 {
			t.Error("nothing is buffered")
		}
		for i := range n {
			if ev, err := peer.event(); err != nil || string(ev.Payload[:6]) != fmt.Sprintf("%06d", i) {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		c.Send(text("end"))
		peer.expect(frame.Text, "end")
		until(t, "all is written", func() bool { return c.Buffered() == 0 })
		if !c.Open() {
			t.Fatal("a replay was taken for slowness")
		}
		slow(t, c)
		for {
			if ev, err := peer.event(); err != nil || ev.Op == frame.Close {
				break
			}
		}
		peer.nc.Close()
		ears.wantEnd(t, 1013, "slow", true)
	})
}

// A connection that may not write yet is not slow: its first bytes, the answer
// to the handshake, are not dropped.
func TestHeldIsNotSlow(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogMessages = 10
		c, _, peer := r.conn(loop.Params{Held: true, Preface: []byte("hello")})
		for range 100 {
			c.Send(text("x"))
		}
		r.conn(loop.Params{}) // connections go to the loops in turn: the next is on the same loop
		turned, _, turnedPeer := r.conn(loop.Params{})
		for range 3 {
			turned.Send(text("a turn"))
			turnedPeer.expect(frame.Text, "a turn")
		}
		c.Start()
		hello := make([]byte, 5)
		if _, err := io.ReadFull(peer.nc, hello); err != nil || string(hello) != "hello" {
			t.Fatalf("first came %q, %v", hello, err)
		}
		for range 100 {
			peer.expect(frame.Text, "x")
		}
	})
}

// The bytes posted to one connection and not yet written are bounded at once.
func TestFull(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.SendBytes = 1000
		c, _, peer := r.conn(loop.Params{})
		release := r.hold()
		m := text(strings.Repeat("x", 600))
		for range 2 {
			if err := c.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		if n, want := c.Buffered(), int64(2*m.Len()); n != want {
			t.Errorf("%d bytes buffered, want %d", n, want)
		}
		if err := c.Send(m); !errors.Is(err, loop.ErrFull) {
			t.Errorf("send: %v", err)
		}
		if err := c.Ping(nil); !errors.Is(err, loop.ErrFull) {
			t.Errorf("ping: %v", err)
		}
		release()
		peer.expect(frame.Text, strings.Repeat("x", 600))
		peer.expect(frame.Text, strings.Repeat("x", 600))
		until(t, "all is written", func() bool { return c.Buffered() == 0 })
		if err := c.Send(text("y")); err != nil {
			t.Errorf("send: %v", err)
		}
		peer.expect(frame.Text, "y")
	})
}

// Drain waits for messages posted before it, not for later ones, and ends with the
// connection.
func TestDrain(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		if err := c.Drain(t.Context()); err != nil {
			t.Errorf("with nothing posted: %v", err)
		}
		large := strings.Repeat("x", 16<<20)
		c.SendAll([]*loop.Message{text(large)})
		impatient := errors.New("impatient")
		over, cancel := context.WithCancelCause(t.Context())
		cancel(impatient)
		if err := c.Drain(over); !errors.Is(err, impatient) {
			t.Errorf("with a full socket: %v", err)
		}
		drained := make(chan error, 1)
		go func() { drained <- c.Drain(t.Context()) }()
		peer.expect(frame.Text, large)
		if err := await(t, drained); err != nil {
			t.Errorf("when all is read: %v", err)
		}
		c.SendAll([]*loop.Message{text(large)})
		go func() { drained <- c.Drain(context.Background()) }()
		c.Terminate()
		if err := await(t, drained); !errors.Is(err, net.ErrClosed) {
			t.Errorf("at the end: %v", err)
		}
		await(t, ears.closed)
		if err := c.Drain(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if err := (loop.Conn{}).Drain(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("of no connection: %v", err)
		}
	})
}

// When an engine ends, no goroutine is left waiting.
func TestDrainAndShutdown(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		for range 50 {
			r := &rig{t: t, unix: true, tls: r.tls, options: r.options}
			c, _, _ := r.conn(loop.Params{})
			c.SendAll([]*loop.Message{text(strings.Repeat("x", 1<<20))})
			drained := make(chan error, 3)
			for range cap(drained) {
				go func() { drained <- c.Drain(context.Background()) }()
			}
			r.stop()
			for range cap(drained) {
				if err := await(t, drained); !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
			}
		}
	})
}

// While memory is short the limits are smaller: a connection above them is closed at once,
// without another message; the others stay. Afterwards the usual limits hold.
func TestTighten(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 2, BacklogBytes: 64 << 20, SendBytes: 256 << 20, BacklogMessages: 1 << 20}}
	r.options.CloseTimeout = time.Millisecond // the slow peer does not read
	r.start()
	slow, slowEars, _ := r.conn(loop.Params{})
	less, _, lessPeer := r.conn(loop.Params{})
	m := text(strings.Repeat("x", 1<<20))
	for range 40 {
		slow.Send(m)
	}
	for range 2 {
		less.Send(m)
	}
	until(t, "much waits", func() bool { return slow.Buffered() > 16<<20 })
	r.engine.Tighten(1)
	slowEars.wantEnd(t, 1013, "slow", true)
	r.engine.Tighten(0)
	for range 40 {
		less.Send(m)
	}
	for range 42 {
		lessPeer.expect(frame.Text, strings.Repeat("x", 1<<20))
	}
	if n := r.engine.Stats().Slow.Sum(); n != 1 || !less.Open() {
		t.Errorf("%d slow connections, the other one open: %t", n, less.Open())
	}
}

// While memory is short, replays, messages in pieces and messages that are still coming have the
// same bounds; level by level they are smaller.
func TestTightenEverything(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.narrow = true
		r.options.BacklogBytes, r.options.CloseTimeout = 4<<20, 100*time.Millisecond
		replay, replayEars, _ := r.conn(loop.Params{})
		long, longEars, _ := r.conn(loop.Params{})
		coming, comingEars, comingPeer := r.conn(loop.Params{})
		idle, _, idlePeer := r.conn(loop.Params{})
		replay.SendAll([]*loop.Message{text(strings.Repeat("x", 2<<20))})
		m, _, made := in(500, 16<<10)
		long.SendPieces(m)
		begun := comingPeer.frame(frame.Text, strings.Repeat("z", 1<<20))
		comingPeer.write(begun[:200_000])
		until(t, "all are under way", func() bool {
			return replay.Buffered() > 1<<20 && made.Load() > 0 && r.engine.Stats().Read >= 200_000
		})

		until(t, "the replay is slow", func() bool { // a goroutine that writes has a moment to begin
			r.engine.Tighten(1)
			return !replay.Open()
		})
		replayEars.wantEnd(t, 1013, "slow", true)
		if !coming.Open() {
			t.Error("200 kB that are coming are above an eighth of 4 MiB")
		}
		r.engine.Tighten(2)
		comingEars.wantEnd(t, 1013, "overloaded", true)
		r.engine.Tighten(4)
		longEars.wantEnd(t, 1013, "slow", true)
		idle.Send(text("one that reads notices nothing"))
		idlePeer.expect(frame.Text, "one that reads notices nothing")
	})
}
