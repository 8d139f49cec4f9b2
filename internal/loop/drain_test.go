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

// polite has a last word.
type polite struct{ *ears }

func (polite) Farewell() *loop.Message { return text("come again") }

func (r *rig) polite() (*ears, *peer) {
	r.t.Helper()
	r.start()
	near, far := r.pair()
	e := newEars()
	if _, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return polite{e} }); err != nil {
		r.t.Fatal(err)
	}
	return e, newPeer(r.t, far, loop.Params{})
}

// Everybody is told, after what was sent before, who has something to say says it,
// and nobody who has closed is told again.
func TestDrainTellsEverybody(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, plain, peer := r.conn(loop.Params{})
		e, far := r.polite()
		gone, away, left := r.conn(loop.Params{})
		gone.Close(1000, "")
		left.expectClose(1000, "")
		c.Send(text("before"))
		if err := r.engine.Drain(t.Context(), 0, 1001, "going"); err != nil {
			t.Fatal(err)
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

		late, there := r.polite() // between the two
		go r.engine.Shutdown(t.Context(), 1001, "gone")
		there.expect(frame.Text, "come again")
		there.expectClose(1001, "gone")
		there.sendClose(1001, "gone")
		late.wantEnd(t, 1001, "gone", false)
	})
}

// Over ten seconds a hundred go at ten a second; before its turn a connection works.
func TestDrainInTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ends := make(chan time.Duration, 100)
		w := newWatch(t)
		for range cap(ends) {
			_, _, peer := r.conn(loop.Params{})
			go func() {
				peer.expectClose(1001, "")
				ends <- time.Since(w.start)
				peer.nc.Close()
			}()
		}
		synctest.Wait()
		if err := r.engine.Drain(t.Context(), 10*time.Second, 1001, ""); err != nil {
			t.Fatal(err)
		}
		for i := range cap(ends) {
			if at, due := <-ends, time.Duration(i)*100*time.Millisecond; at < due || at > due+50*time.Millisecond {
				t.Errorf("number %d left after %v, want %v", i, at, due)
			}
		}
	})
}

func TestDrainEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one, _, _ := r.conn(loop.Params{})
		other, _, _ := r.conn(loop.Params{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.engine.Drain(ctx, time.Hour, 1001, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if one.Open() == other.Open() {
			t.Error("in the first half hour it is one's turn, and not the other's")
		}
	})
}
