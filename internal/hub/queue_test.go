package hub_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

func texts(batch []hub.Delivery) []string {
	var s []string
	for _, d := range batch {
		s = append(s, string(d.Publication.Data))
	}
	return s
}

func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.publish("a", "1")
		w.broker.onHistory = func() { w.publish("a", "2") }
		queue, history, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
		if err != nil || history.Head != 1 || history.Epoch != epoch {
			t.Fatal(history, err)
		}
		w.publish("a", "3")
		batch, err := queue.Next(t.Context())
		if got := texts(batch); err != nil || !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("got %q, %v, want all that waited", got, err)
		}
		if at := batch[1].At; at != (maru.Position{Epoch: epoch, Offset: 3}) {
			t.Errorf("at %v", at)
		}

		go func() {
			synctest.Wait()
			w.publish("a", "4")
		}()
		if batch, err = queue.Next(t.Context()); err != nil || !slices.Equal(texts(batch), []string{"4"}) {
			t.Errorf("got %q, %v, want the publication made while waiting", texts(batch), err)
		}
		watch := w.hub.Watch("b")
		if channels, shares := w.hub.Size(); channels != 2 || shares != 2 {
			t.Errorf("%d channels, %d shares", channels, shares)
		}
		watch.Close()
		queue.Close()
		if n := w.hub.Len(); n != 0 {
			t.Errorf("%d channels have state after all have left", n)
		}
		if channels, shares := w.hub.Size(); channels != 0 || shares != 0 {
			t.Errorf("%d channels, %d shares after all have left", channels, shares)
		}
		if s := w.hub.Stats(); s.Publications != 4 || s.Bytes != 4 {
			t.Errorf("%+v", s)
		}
	})
}

func TestQueueEnds(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client disconnected")
	tests := map[string]struct {
		do   func(w *world, cancel context.CancelCauseFunc)
		want error
	}{
		"context":  {func(w *world, cancel context.CancelCauseFunc) { cancel(gone) }, gone},
		"shutdown": {func(w *world, _ context.CancelCauseFunc) { w.hub.Close() }, &maru.Error{Code: maru.CodeShuttingDown}},
		"shutdown while something waits": {func(w *world, _ context.CancelCauseFunc) {
			flood(w, 1, 1)
			w.hub.Close()
		}, &maru.Error{Code: maru.CodeShuttingDown}},
		"too many wait":  {func(w *world, _ context.CancelCauseFunc) { flood(w, 4, 1) }, &maru.Error{Code: maru.CodeSlow}},
		"too large wait": {func(w *world, _ context.CancelCauseFunc) { flood(w, 2, 60) }, &maru.Error{Code: maru.CodeSlow}},
		"one is larger":  {func(w *world, _ context.CancelCauseFunc) { flood(w, 1, 200) }, nil},
		"just enough":    {func(w *world, _ context.CancelCauseFunc) { flood(w, 3, 33) }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, hub.Options{QueueMessages: 3, QueueBytes: 100})
				queue, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
				if err != nil {
					t.Fatal(err)
				}
				defer queue.Close()
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				tt.do(w, cancel)
				if _, err = queue.Next(ctx); !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func flood(w *world, n, size int) {
	for range n {
		w.publish("a", strings.Repeat("x", size))
	}
}

func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.broker.fails = errors.New("lost")
		if _, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{}); !errors.Is(err, w.broker.fails) {
			t.Errorf("error %v", err)
		}
		if n := w.hub.Len(); n != 0 {
			t.Errorf("%d channels have state", n)
		}
	})
}

// While memory is short an eighth may wait.
func TestTighten(t *testing.T) {
	t.Parallel()
	for level, tight := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, hub.Options{QueueMessages: 80})
			queue, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
			if err != nil {
				t.Fatal(err)
			}
			defer queue.Close()
			w.hub.Tighten(level)
			for range 11 {
				w.publish("a", "x")
			}
			batch, err := queue.Next(t.Context())
			if slow := errors.Is(err, &maru.Error{Code: maru.CodeSlow}); slow != tight || !tight && len(batch) != 11 {
				t.Errorf("tight %t: %d waited, %v", tight, len(batch), err)
			}
		})
	}
}
