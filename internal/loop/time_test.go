package loop_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// With these options the engine's clock ticks four times a second, and a timeout takes
// effect at the tick after its time.
const (
	pingInterval = 20 * time.Second
	pingTimeout  = 8 * time.Second
	closeTimeout = 4 * time.Second
	backlogAge   = 12 * time.Second
	tick         = 250 * time.Millisecond
)

// inBubble runs body with a clock of its own and an engine on net.Pipe.
func inBubble(t *testing.T, body func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body(t, &rig{t: t, pipes: true, patience: 1000 * time.Hour, options: loop.Options{
			Goroutines: true, Loops: 1, PingInterval: pingInterval, PingTimeout: pingTimeout,
			CloseTimeout: closeTimeout, BacklogAge: backlogAge,
		}})
	})
}

// watch measures the time until an event.
type watch struct {
	t     *testing.T
	start time.Time
}

func newWatch(t *testing.T) *watch { return &watch{t, time.Now()} }

// was checks the time since the last look at it.
func (w *watch) was(want time.Duration) {
	w.t.Helper()
	if got := time.Since(w.start); got != want {
		w.t.Errorf("took %v, want %v", got, want)
	}
	w.start = time.Now()
}

// pass lets time pass, and waits until the events due then are done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *watch) between(least, most time.Duration) {
	w.t.Helper()
	if got := time.Since(w.start); got < least || got > most {
		w.t.Errorf("took %v, want %v to %v", got, least, most)
	}
	w.start = time.Now()
}

func TestPing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{})
		w := newWatch(t)
		for range 5 {
			peer.expect(frame.Ping, "")
			w.was(pingInterval + tick)
			peer.send(frame.Pong, "")
			if got := <-ears.pongs; got != "" {
				t.Errorf("pong %q", got)
			}
		}
	})
}

// The time for an answer does not put the next ping off.
func TestPingOftenAndWaitLong(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.options.PingInterval, r.options.PingTimeout = closeTimeout, pingTimeout
		_, ears, peer := r.conn(loop.Params{})
		w := newWatch(t)
		for range 5 {
			peer.expect(frame.Ping, "")
			w.was(closeTimeout + tick)
			peer.send(frame.Pong, "")
			<-ears.pongs
		}
		peer.expect(frame.Ping, "")
		w.was(closeTimeout + tick)
		<-ears.closed
		w.was(pingTimeout + tick)
	})
}

func TestPingUnanswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		w := newWatch(t)
		peer.expect(frame.Ping, "")
		w.was(pingInterval + tick)
		if got := <-ears.closed; got.code != 1006 || got.err == nil {
			t.Errorf("ended with %v", got)
		}
		w.was(pingTimeout + tick)
		synctest.Wait()
		if c.Open() || r.engine.Len() != 0 {
			t.Error("the connection is still there")
		}
	})
}

// Any input is a sign of life, and delays the next ping.
func TestAnySignOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, _, peer := r.conn(loop.Params{})
		w := newWatch(t)
		peer.expect(frame.Ping, "")
		w.was(pingInterval + tick)
		pass(pingTimeout)
		peer.write(peer.frame(frame.Text, "half a frame")[:5])
		w.was(pingTimeout)
		peer.expect(frame.Ping, "")
		w.was(pingInterval + tick)
	})
}

func TestNoPing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.options.PingInterval = -1
		c, _, peer := r.conn(loop.Params{})
		pass(10 * time.Minute)
		c.Send(text("still here"))
		peer.expect(frame.Text, "still here")
	})
}

func TestDefaultTimes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.options = loop.Options{Goroutines: true}
		_, ears, peer := r.conn(loop.Params{})
		w := newWatch(t)
		peer.expect(frame.Ping, "")
		w.between(25*time.Second, 26*time.Second)
		<-ears.closed
		w.between(10*time.Second, 11*time.Second)
		c, ears, peer := r.conn(loop.Params{})
		c.Close(1000, "")
		peer.expectClose(1000, "")
		w.was(0)
		<-ears.closed
		w.between(5*time.Second, 6*time.Second)
	})
}

func TestCloseUnanswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		c.Close(1000, "bye")
		peer.expectClose(1000, "bye")
		w := newWatch(t)
		if got := <-ears.closed; got.code != 1006 || got.err == nil {
			t.Errorf("ended with %v", got)
		}
		w.was(closeTimeout + tick)
		peer.expectEnd()
	})
}

// Messages from before the close frame have the time of a backlog to be written.
func TestCloseBehindBacklog(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		c.Send(text("first"))
		c.Close(1000, "bye")
		pass(closeTimeout * 2)
		peer.expect(frame.Text, "first")
		peer.expectClose(1000, "bye")
		peer.sendClose(1000, "bye")
		if got := <-ears.closed; got.code != 1000 || got.err != nil {
			t.Errorf("ended with %v", got)
		}

		c, ears, _ = r.conn(loop.Params{})
		c.Send(text("never read"))
		c.Close(1000, "")
		w := newWatch(t)
		if got := <-ears.closed; got.code != 1006 || got.err == nil {
			t.Errorf("ended with %v", got)
		}
		w.was(backlogAge + tick)
		if n := c.Buffered(); n != 0 {
			t.Errorf("%d bytes buffered after the end", n)
		}
	})
}

func TestBacklogAge(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.options.PingInterval = -1
		c, ears, _ := r.conn(loop.Params{})
		c.Send(text("never read"))
		w := newWatch(t)
		if got := <-ears.closed; got.code != 1013 || got.reason != "slow" || got.err == nil {
			t.Errorf("ended with %v", got)
		}
		w.between(backlogAge+closeTimeout, backlogAge+backlogAge/8+closeTimeout+4*tick)
		if n := r.engine.Stats().Slow.Sum(); n != 1 {
			t.Errorf("%d slow connections", n)
		}
	})
}

// A peer that reads, however late, is not silent while a ping waits behind bytes that it
// has not read yet.
func TestPingBehindBacklog(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.options.BacklogAge = time.Hour
		c, ears, peer := r.conn(loop.Params{})
		c.Send(text("read late"))
		pass(4 * (pingInterval + pingTimeout))
		peer.expect(frame.Text, "read late")
		peer.expect(frame.Ping, "")
		pass(pingTimeout / 2)
		peer.send(frame.Pong, "")
		<-ears.pongs
		peer.send(frame.Text, "alive")
		if got := <-ears.messages; got.data != "alive" {
			t.Errorf("got %v", got)
		}
	})
}

// A paused connection does not read its peer's pongs, and is not pinged.
func TestPingWhilePaused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		peer.expect(frame.Ping, "")
		c.Pause()
		synctest.Wait()
		pass(10 * time.Minute)
		w := newWatch(t)
		c.Resume()
		peer.expect(frame.Ping, "")
		w.between(0, 2*tick)
		peer.send(frame.Pong, "1")
		peer.send(frame.Pong, "2")
		<-ears.pongs
		if !c.Open() {
			t.Error("closed")
		}
	})
}

// Shutdown takes as long as the slowest peer may.
func TestShutdownTakesItsTime(t *testing.T) {
	tests := map[string]struct {
		prepare func(r *rig)
		want    time.Duration
	}{
		"nobody there":     {func(r *rig) { r.start() }, 0},
		"no answer":        {func(r *rig) { _, _, p := r.conn(loop.Params{}); go p.event() }, closeTimeout + tick},
		"paused":           {func(r *rig) { _, _, p := r.conn(loop.Params{Paused: true}); go p.event() }, closeTimeout + tick},
		"never reads":      {func(r *rig) { r.conn(loop.Params{}) }, backlogAge + tick},
		"never reads, old": {func(r *rig) { c, _, _ := r.conn(loop.Params{}); c.Send(text("x")) }, backlogAge + tick},
		"held":             {func(r *rig) { r.conn(loop.Params{Held: true}) }, backlogAge + tick},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				test.prepare(r)
				synctest.Wait()
				w := newWatch(t)
				if err := r.engine.Shutdown(context.Background(), 1001, "moving"); err != nil {
					t.Errorf("shutdown: %v", err)
				}
				w.was(test.want)
			})
		})
	}
}

func TestShutdownInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, ears, _ := r.conn(loop.Params{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		w := newWatch(t)
		if err := r.engine.Shutdown(ctx, 1001, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		w.was(time.Second)
		if got := <-ears.closed; got.code != 1006 {
			t.Errorf("ended with %v", got)
		}
	})
}

// A client does not wait for a server that never ends the stream.
func TestClientDoesNotWaitForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{Client: true})
		peer.sendClose(1001, "bye")
		peer.expectClose(1001, "bye")
		w := newWatch(t)
		if got := <-ears.closed; got.code != 1001 || got.reason != "bye" || got.err != nil {
			t.Errorf("ended with %v", got)
		}
		w.was(closeTimeout + tick)
		if _, err := peer.event(); !errors.Is(err, io.EOF) {
			t.Errorf("stream ended with %v", err)
		}
	})
}
