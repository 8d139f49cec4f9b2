package loop_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// polite has a last message.
type polite struct{ *ears }

func (polite) Farewell() *loop.Message { return text("come again") }

func (r *rig) polite() (loop.Conn, *ears, *peer) {
	r.t.Helper()
	r.start()
	near, far := r.pair()
	e := newEars()
	c, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return polite{e} })
	if err != nil {
		r.t.Fatal(err)
	}
	return c, e, newPeer(r.t, far, loop.Params{})
}

// A farewell comes after earlier messages. A handler's last message is sent. A connection
// that has closed is not closed again.
func TestFarewell(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, plain, peer := r.conn(loop.Params{})
		last, e, far := r.polite()
		gone, away, left := r.conn(loop.Params{})
		gone.Close(1000, "")
		left.expectClose(1000, "")
		c.Send(text("before"))
		for _, c := range []loop.Conn{c, last, gone} {
			if err := c.Farewell(1001, "going"); err != nil {
				t.Fatal(err)
			}
		}
		peer.expect(frame.Text, "before")
		peer.expectClose(1001, "going")
		peer.sendClose(1001, "going")
		plain.wantEnd(t, 1001, "going", false)
		far.expect(frame.Text, "come again")
		far.expectClose(1001, "going")
		far.sendClose(1001, "going")
		e.wantEnd(t, 1001, "going", false)
		left.sendClose(1000, "")
		away.wantEnd(t, 1000, "", false)

		_, late, there := r.polite()
		go r.engine.Shutdown(t.Context(), 1001, "gone")
		there.expect(frame.Text, "come again")
		there.expectClose(1001, "gone")
		there.sendClose(1001, "gone")
		late.wantEnd(t, 1001, "gone", false)
	})
}

// A hundred in ten seconds are ten a second.
func TestInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		err := loop.InTurn(t.Context(), 10*time.Second, 100, func(i int) {
			calls++
			if at, due := time.Since(start), time.Duration(i)*100*time.Millisecond; at < due || at > due+50*time.Millisecond {
				t.Errorf("number %d after %v, want %v", i, at, due)
			}
		})
		if err != nil || calls != 100 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}

// After a time in which nothing happened it does not make up for it at once.
func TestInTurnLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		loop.InTurn(t.Context(), 10*time.Second, 1000, func(i int) {
			if at = append(at, time.Since(start)); i == 500 {
				time.Sleep(time.Second)
			}
		})
		for i := 120; i < len(at); i++ {
			if d := at[i] - at[i-120]; d < 990*time.Millisecond {
				t.Fatalf("120 of number %d within %v", i, d)
			}
		}
		if last := at[len(at)-1]; last < 10*time.Second || last > 10300*time.Millisecond {
			t.Errorf("the last one after %v", last)
		}
	})
}

func TestInTurnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls := 0
		err := loop.InTurn(ctx, time.Hour, 2, func(int) { calls++ })
		if !errors.Is(err, context.DeadlineExceeded) || calls != 1 {
			t.Errorf("%d calls in the first half hour, %v", calls, err)
		}
	})
}
