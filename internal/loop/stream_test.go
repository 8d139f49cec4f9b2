package loop_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/loop"
)

func bare(s string) *loop.Message { return loop.NewBareMessage([]byte(s), "") }

// readAll reads until the end of the stream.
func (p *peer) readAll() string {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(p.patience))
	b, err := io.ReadAll(p.nc)
	if err != nil {
		p.t.Fatalf("after %q: %v", short(string(b)), err)
	}
	return string(b)
}

func (p *peer) expectBytes(s string) {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(p.patience))
	b := make([]byte, len(s))
	if n, err := io.ReadFull(p.nc, b); err != nil || string(b) != s {
		p.t.Fatalf("want %q, got %q, %v", short(s), short(string(b[:n])), err)
	}
}

// A stream gets bare bytes, by Send and by groups, whatever its peer sends. It ends without
// further bytes, after all that was sent, and the handler receives our reason.
func TestStream(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{Framing: loop.FrameBare, Preface: []byte("head ")}, []byte("\xff\xff not a frame")...)
		_, _, other := r.conn(loop.Params{}) // takes one turn of the distribution over loops
		g := r.engine.NewGroup()
		g.Add(c)
		c.Send(bare("1 "))
		peer.expectBytes("head 1 ")
		peer.write([]byte("GET / HTTP/1.1\r\n\r\n\x88\x00"))
		g.Append(bare("2 "))
		c.Send(bare("3 "))
		g.Append(bare("4 "))
		peer.expectBytes("2 3 4 ")
		large := strings.Repeat("x", 1<<20)
		c.SendAll([]*loop.Message{bare(large), bare("last")})
		c.Close(4401, "token_expired")
		if err := c.Send(bare("too late")); err != loop.ErrClosed {
			t.Errorf("send: %v", err)
		}
		g.Append(bare("too late"))
		if got := peer.readAll(); got != large+"last" {
			t.Errorf("at the end came %q", short(got))
		}
		peer.nc.Close()
		ears.wantEnd(t, 4401, "token_expired", true)
		other.nc.Close()
	})
}

// A peer's end ends the stream, and its input is never a message.
func TestStreamIsLeft(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(loop.Params{Framing: loop.FrameBare})
		peer.write([]byte("bye"))
		peer.nc.Close()
		ears.wantEnd(t, 1006, "", true)
		if len(ears.messages) > 0 {
			t.Error("what it sent was taken for a message")
		}
	})
}

// A reader of a stream that is slow finds whole messages, and the end.
func TestSlowStream(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes = 100_000
		c, ears, peer := r.conn(loop.Params{Framing: loop.FrameBare})
		g := r.engine.NewGroup()
		g.Add(c)
		message := strings.Repeat("x", 20_000) + "\n"
		until(t, "the stream is slow", func() bool {
			g.Append(bare(message))
			return !c.Open()
		})
		if got := peer.readAll(); len(got) == 0 || got != strings.Repeat(message, len(got)/len(message)) {
			t.Errorf("%d bytes came, the last %q", len(got), got[max(0, len(got)-10):])
		}
		peer.nc.Close()
		ears.wantEnd(t, 1013, "slow", true)
		if n := r.engine.Stats().Slow.Sum(); n != 1 {
			t.Errorf("%d slow connections", n)
		}
	})
}

// A peer that does not answer the end of its stream is cut off after CloseTimeout.
func TestStreamThatNobodyEnds(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.CloseTimeout = 50 * time.Millisecond
		c, ears, _ := r.conn(loop.Params{Framing: loop.FrameBare})
		c.Close(4503, "revoked")
		ears.wantEnd(t, 4503, "revoked", true)
	})
}

// Streams that were held when they were closed end too.
func TestHeldStreamEnds(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{Framing: loop.FrameBare, Held: true, Preface: []byte("head")})
		c.Close(1001, "going")
		c.Start()
		if got := peer.readAll(); got != "head" {
			t.Errorf("got %q", got)
		}
		peer.nc.Close()
		ears.wantEnd(t, 1001, "going", true)
	})
}

// beater has heartbeats and a last message.
type beater struct{ *ears }

func (beater) Heartbeat() *loop.Message { return bare("beat ") }
func (beater) Farewell() *loop.Message  { return bare("farewell") }

// A stream sends signs of life at its pace, whatever else is sent, and is never pinged.
func TestBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, pipes: true, options: loop.Options{Goroutines: true, Loops: 1, PingInterval: time.Second, HeartbeatInterval: 10 * time.Second}}
		near, far := r.plainPair()
		e := newEars()
		c, err := r.start().Open(near, nil, loop.Params{Framing: loop.FrameBare}, func(loop.Conn) loop.Handler { return beater{e} })
		if err != nil {
			t.Fatal(err)
		}
		peer := newPeer(t, far, loop.Params{})
		peer.patience = time.Hour
		begin := time.Now()
		for i := range 3 {
			peer.expectBytes("beat ")
			if d := time.Since(begin); d < time.Duration(i+1)*10*time.Second || d > time.Duration(i+1)*10*time.Second+time.Second {
				t.Errorf("beat %d after %v", i+1, d)
			}
			c.Send(bare("news "))
			peer.expectBytes("news ")
		}
		go r.engine.Shutdown(context.Background(), 1001, "over")
		if got := peer.readAll(); got != "farewell" {
			t.Errorf("at the end came %q", got)
		}
		far.Close()
		e.wantEnd(t, 1001, "over", true)
	})
}

// A connection of either framing has the pace that it asks for, or none.
func TestHeartbeatOfOneConnection(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		params loop.Params
		want   time.Duration // from one to the next; 0: none comes
	}{
		"WebSocket":             {loop.Params{}, 0},
		"WebSocket, its own":    {loop.Params{Heartbeat: 3 * time.Second}, 3 * time.Second},
		"WebSocket, held":       {loop.Params{Heartbeat: 3 * time.Second, Held: true}, 0},
		"bare":                  {loop.Params{Framing: loop.FrameBare}, 10 * time.Second},
		"bare, its own":         {loop.Params{Framing: loop.FrameBare, Heartbeat: 3 * time.Second}, 3 * time.Second},
		"bare, with none":       {loop.Params{Framing: loop.FrameBare, Heartbeat: -1}, 0},
		"less than one tick":    {loop.Params{Heartbeat: time.Nanosecond}, 250 * time.Millisecond},
		"WebSocket, negative":   {loop.Params{Heartbeat: -1}, 0},
		"WebSocket, with pings": {loop.Params{Heartbeat: 12 * time.Second}, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &rig{t: t, pipes: true, options: loop.Options{Goroutines: true, Loops: 1, PingInterval: 10 * time.Second, PingTimeout: time.Hour, CloseTimeout: 10 * time.Second, HeartbeatInterval: 10 * time.Second}}
				near, far := r.plainPair()
				e, count := newEars(), 0
				times := make(chan time.Duration, 1000)
				begin := time.Now()
				c, err := r.start().Open(near, nil, test.params, func(loop.Conn) loop.Handler {
					return pulse{e, func() { times <- time.Since(begin) }}
				})
				if err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, far)
				time.Sleep(time.Minute) // of the bubble's clock
				synctest.Wait()
				close(times)
				const tick = 250 * time.Millisecond // the engine's
				for at := range times {
					count++
					if due := time.Duration(count) * test.want; at < due-tick || at > due+2*tick {
						t.Errorf("heartbeat %d after %v, want %v", count, at, due)
					}
				}
				if (test.want == 0) != (count == 0) {
					t.Errorf("%d heartbeats in a minute", count)
				}
				c.Terminate()
				e.wantEnd(t, 1006, "", true)
				synctest.Wait()
				if n := r.engine.Heartbeats(); n != 0 {
					t.Errorf("%d paces are left", n)
				}
			})
		})
	}
}

// pulse records when Heartbeat is called.
type pulse struct {
	*ears
	note func()
}

func (p pulse) Heartbeat() *loop.Message {
	p.note()
	return text("still here")
}

// While its socket is full a stream gets no signs of life: none is behind another.
func TestNoBeatsBehindABacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, pipes: true, options: loop.Options{Goroutines: true, Loops: 1, HeartbeatInterval: time.Second, BacklogAge: time.Hour}}
		near, far := r.plainPair()
		e := newEars()
		c, err := r.start().Open(near, nil, loop.Params{Framing: loop.FrameBare}, func(loop.Conn) loop.Handler { return beater{e} })
		if err != nil {
			t.Fatal(err)
		}
		c.Send(bare("news "))
		time.Sleep(time.Minute) // of the bubble's clock
		peer := newPeer(t, far, loop.Params{})
		peer.patience = time.Hour
		peer.expectBytes("news beat ")
		c.Close(1001, "")
		if got := peer.readAll(); got != "" {
			t.Errorf("behind it came %q", got)
		}
		far.Close()
	})
}
