package loop_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// parked opens a parked connection.
func (r *rig) parked(p loop.Params) (loop.Conn, *ears) {
	r.t.Helper()
	e := newEars()
	c, err := r.start().OpenParked(p, func(loop.Conn) loop.Handler { return e })
	if err != nil {
		r.t.Fatal(err)
	}
	return c, e
}

// take returns the messages of the next Take, one after another: t:text, b:binary, or the code
// of a close frame. nil: there were none, and there will be none.
func take(t *testing.T, c loop.Conn) []string {
	t.Helper()
	taken := make(chan []byte, 1)
	c.Take(func(frames []byte) { taken <- frames })
	return messages(t, await(t, taken))
}

func messages(t *testing.T, frames []byte) (all []string) {
	t.Helper()
	var reader frame.Reader
	for len(frames) > 0 {
		ev, n, err := reader.Next(frames, &frame.Rules{Client: true})
		if err != nil {
			t.Fatal(err)
		}
		switch ev.Op {
		case frame.Text:
			all = append(all, "t:"+string(ev.Payload))
		case frame.Binary:
			all = append(all, "b:"+string(ev.Payload))
		case frame.Close:
			all = append(all, ev.Reason)
		}
		frames = frames[n:]
	}
	return all
}

func wantTaken(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("taken %q, want %q", got, want)
	}
}

// What is sent to a parked connection, and to its groups, waits in order for a Take.
func TestParkedTake(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears := r.parked(loop.Params{})
		g := r.engine.NewGroup()
		g.Add(c)
		c.Send(text("1"))
		g.Append(text("2"))
		c.Send(loop.NewSeveral([]byte("3"), [][]byte{[]byte("4"), []byte("5")}, ""))
		drained := make(chan []byte, 1)
		var got []string
		for len(got) < 5 {
			got = append(got, take(t, c)...)
		}
		wantTaken(t, got, "t:1", "t:2", "t:3", "b:4", "b:5")

		c.Take(func(frames []byte) { drained <- frames })
		g.Append(text("6"))
		wantTaken(t, messages(t, await(t, drained)), "t:6")

		c.Take(func(frames []byte) { drained <- frames })
		later := make(chan []byte, 1)
		c.Take(func(frames []byte) { later <- frames })
		wantTaken(t, messages(t, await(t, drained))) // another one takes
		c.Close(4401, "token_expired")
		wantTaken(t, messages(t, await(t, later)), "token_expired")
		ears.wantEnd(t, 4401, "token_expired", false)
		wantTaken(t, take(t, c))
	})
}

// A parked connection that gets a socket goes on there: what waits comes first, nothing is lost
// or sent twice, and what the client sends is read.
func TestParkedAttach(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears := r.parked(loop.Params{})
		g := r.engine.NewGroup()
		g.Add(c)
		g.Append(text("before"))
		wantTaken(t, take(t, c), "t:before")
		pending := make(chan []byte, 1)
		g.Append(text("waits"))
		near, far := r.pair()
		peer := newPeer(t, far, loop.Params{})
		peer.patience = patience
		if err := c.Attach(near, peer.frame(frame.Text, "buffered"), loop.Params{}); err != nil {
			t.Fatal(err)
		}
		c.Take(func(frames []byte) { pending <- frames })
		wantTaken(t, messages(t, await(t, pending)))
		peer.expect(frame.Text, "waits")
		ears.want(t, frame.Text, "buffered")
		g.Append(text("after"))
		peer.expect(frame.Text, "after")
		peer.send(frame.Text, "hello")
		ears.want(t, frame.Text, "hello")

		other, far := r.pair()
		c.Attach(other, nil, loop.Params{}) // it has one already
		far.SetReadDeadline(time.Now().Add(patience))
		if _, err := far.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("a second socket was kept: %v", err)
		}
		peer.sendClose(1000, "")
		peer.expectClose(1000, "")
		ears.wantEnd(t, 1000, "", false)
	})
}

// A socket that was negotiated with compression: what waits from before leaves uncompressed, which its
// peer takes, and the rest is compressed in both directions, with and without contexts.
func TestParkedAttachCompressed(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]loop.Params{
		"alone":    {Compression: frame.Compression{DeflateBits: 12}},
		"contexts": takingOver(12),
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				p := p
				c, ears := r.parked(loop.Params{})
				other, _, plain := r.conn(loop.Params{}) // another form in the same group
				g := r.engine.NewGroup()
				g.Add(c)
				g.Add(other)
				long := strings.Repeat("all is well ", 100)
				c.Send(text("waits " + long))
				near, far := r.pair()
				peer := newPeer(t, far, p)
				if peer.deflater != nil { // one message of the context was read before
					b, err := peer.deflater.Deflate(nil, []byte(long))
					if err != nil {
						t.Fatal(err)
					}
					p.Inflater = p.Compression.Inflater()
					reader := frame.Reader{Inflater: p.Inflater}
					wire := frame.AppendMasked(nil, frame.Text, true, [4]byte{1, 2, 3, 4}, b)
					if ev, _, err := reader.Next(wire, &frame.Rules{Deflate: true}); err != nil || string(ev.Payload) != long {
						t.Fatalf("%q, %v", ev.Payload, err)
					}
				}
				if err := c.Attach(near, nil, p); err != nil {
					t.Fatal(err)
				}
				peer.expect(frame.Text, "waits "+long)
				if peer.received < len(long) {
					t.Errorf("%d bytes came as %d: they were encoded before the socket came", len(long), peer.received)
				}
				for i := range 3 {
					before, message := peer.received, fmt.Sprint(i, long)
					if i < 2 {
						g.Append(text(message))
						plain.expect(frame.Text, message)
					} else {
						c.Send(text(message))
					}
					peer.expect(frame.Text, message)
					if n := peer.received - before; n > len(message)/4 {
						t.Errorf("%d bytes came as %d", len(message), n)
					}
				}
				if peer.deflater != nil {
					wire := peer.deflated(frame.Text, long)
					if len(wire) > 40 {
						t.Errorf("%d bytes do not refer to the message before", len(wire))
					}
					peer.write(wire)
					ears.want(t, frame.Text, long)
				}
				c.Close(1000, "")
				peer.expectClose(1000, "")
			})
		})
	}
}

// A parked connection whose backlog is beyond its bounds is closed as slow, and so is one that
// nobody asks for longer than its age.
func TestParkedBacklog(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1, BacklogMessages: 3, CloseTimeout: 20 * time.Millisecond}}
	c, ears := r.parked(loop.Params{Recovers: true})
	for range 10 {
		c.Send(text("x"))
	}
	ears.wantEnd(t, 4408, "slow", true)
}

// Nobody comes to take the close frame: the connection ends all the same, with its code.
func TestParkedCloseAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, pipes: true, options: loop.Options{Loops: 1, Goroutines: true}}
		c, ears := r.parked(loop.Params{})
		time.Sleep(time.Minute) // no ping, and no end
		if len(ears.closed) > 0 {
			t.Fatal("it has ended")
		}
		c.Close(4401, "token_expired")
		start := time.Now()
		ears.wantEnd(t, 4401, "token_expired", false)
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("after %v", d)
		}
		r.engine.Shutdown(t.Context(), 1001, "")
	})
}

// Shutdown ends parked connections, and the poll that waits gets the close frame.
func TestParkedShutdown(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1}}
	c, ears := r.parked(loop.Params{})
	taken := make(chan []byte, 1)
	c.Take(func(frames []byte) { taken <- frames })
	if err := r.engine.Shutdown(t.Context(), 1001, "shutting_down"); err != nil {
		t.Fatal(err)
	}
	wantTaken(t, messages(t, await(t, taken)), "shutting_down")
	ears.wantEnd(t, 1001, "shutting_down", false)
}
