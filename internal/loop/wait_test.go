package loop_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A publisher waits while a loop is behind; small messages count with the size of their
// command.
func TestWaitForRoom(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.Loops, r.options.InboxBytes = 1, 10_000
		c, _, peer := r.conn(loop.Params{})
		g := r.start().NewGroup()
		g.Add(c)
		c.Send(text("member"))
		peer.expect(frame.Text, "member")
		release := r.hold()
		over, cancel := context.WithCancelCause(t.Context())
		full := errors.New("full")
		cancel(full)
		n := 0
		for r.engine.Wait(over) == nil {
			g.Append(text("x"))
			if n++; n > 1000 {
				t.Fatal("messages cost nothing")
			}
		}
		if err := r.engine.Wait(over); !errors.Is(err, full) {
			t.Errorf("wait: %v", err)
		}
		room := make(chan error, 1)
		go func() { room <- r.engine.Wait(t.Context()) }()
		release()
		if err := await(t, room); err != nil {
			t.Errorf("wait: %v", err)
		}
		for range n {
			peer.expect(frame.Text, "x")
		}
	})
}

// While one loop is behind, the others write but read no more.
func TestLoopsDoNotOutrunALoop(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.Loops, r.options.InboxBytes = 2, 10_000
		g := r.start().NewGroup()
		behind, _, behindPeer := r.conn(loop.Params{})
		c, ears, peer := r.conn(loop.Params{}) // connections go to the loops in turn
		g.Add(behind)
		behind.Send(text("member"))
		behindPeer.expect(frame.Text, "member")

		near, far := r.pair()
		b := blocker{held: make(chan struct{}), free: make(chan struct{})}
		release := sync.OnceFunc(func() { close(b.free) })
		r.free = append(r.free, release)
		if _, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return b }); err != nil {
			t.Fatal(err)
		}
		newPeer(t, far, loop.Params{}).send(frame.Text, "hold")
		await(t, b.held)
		g.Append(text(strings.Repeat("x", 20_000)))

		turns := func() {
			for range 50 {
				c.Send(text("a turn"))
				peer.expect(frame.Text, "a turn")
			}
		}
		turns()
		large := strings.Repeat("y", 10_000)
		const n = 20
		go func() {
			for range n {
				peer.send(frame.Text, large)
			}
		}()
		turns()
		if n := len(ears.messages); n > 1 { // of a read that was under way
			t.Errorf("read %d messages while a loop is behind", n)
		}
		release()
		for range n {
			ears.want(t, frame.Text, large)
		}
	})
}
