package hub_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// After a loss nothing that was published later reaches a subscriber of before: sockets of all kinds are
// closed, and queues end.
func TestMiss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		a, b := w.hub.Channel("a"), w.hub.Channel("b")
		defer a.Release()
		defer b.Release()
		latest := hub.Mode{Latest: true}
		paced := hub.Mode{Latest: true, MaxHz: 100}
		lost := []*client{w.connect(), w.connect(), w.connect()}
		for i, mode := range []hub.Mode{{}, latest, paced} {
			s := lost[i].socket(bare)
			s.Mode = mode
			join(a, s)
		}
		other := w.connect()
		join(b, other.socket(bare))
		queue, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		defer queue.Close()
		w.publish("a", "1")
		w.hub.Miss("a")
		w.publish("a", "2")
		w.publish("b", "3")
		if _, err := queue.Next(t.Context()); !errors.Is(err, &maru.Error{Code: maru.CodeGap}) {
			t.Errorf("the queue: %v", err)
		}
		synctest.Wait()
		for i, c := range lost {
			if got := c.messages(); !slices.Equal(got, []string{"1"}) || c.near.Open() {
				t.Errorf("socket %d has %q and is open: %v", i, got, c.near.Open())
			}
		}
		if got := other.messages(); !slices.Equal(got, []string{"3"}) || !other.near.Open() {
			t.Errorf("another channel: %q", got)
		}
		if n := w.hub.Stats().Missed; n != 1 {
			t.Errorf("%d losses", n)
		}
	})
}

// A subscription that has not begun is refused, so that its client asks for the history again.
func TestMissWhileJoining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		c := w.hub.Channel("a")
		defer c.Release()
		w.broker.onHistory = func() { w.hub.Miss("a") }
		err := joinFrom(t.Context(), c, w.connect().socket(bare), maru.HistoryQuery{})
		if !errors.Is(err, &maru.Error{Code: maru.CodeSlow}) {
			t.Errorf("%v", err)
		}
	})
}
