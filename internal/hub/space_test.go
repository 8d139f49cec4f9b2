package hub_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// Issue 15 §18: a namespace counts its subscriptions, publications, deliveries and drops, whatever
// the kind of subscriber.
func TestSpace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a, rest hub.Space
		w := newWorld(t, hub.Options{QueueMessages: 2, Space: func(channel string) *hub.Space {
			if strings.HasPrefix(channel, "a") {
				return &a
			}
			return &rest
		}})
		for one, channels := range map[*hub.Space][]string{&a: {"a", "a:1"}, &rest: {"a", "b"}} {
			if w.hub.Space(channels...) != one {
				t.Errorf("%v are not counted where they should be", channels)
			}
		}
		c := w.hub.Channel("a")
		defer c.Release()
		plain, paced := w.connect().socket(bare), w.connect().socket(bare)
		paced.Mode = hub.Mode{Latest: true, MaxHz: 1}
		join(c, plain)
		join(c, paced)
		queue, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		stream, _, err := w.hub.Subscribe(t.Context(), "b", hub.Reader{}, maru.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.publishKey("a", "k", "x") // at the third the queue is full; the pace replaces the second
		}
		w.publishKey("b", "", "x")
		time.Sleep(time.Second)
		synctest.Wait()
		if bytes, messages := queue.Waiting(); bytes != 4 || messages != 2 {
			t.Errorf("%d bytes in %d messages waited when the queue was full", bytes, messages)
		}
		for name, got := range map[string][2]uint64{
			"subscriptions": {uint64(a.Subscriptions.Load()), 2}, "publications": {a.Publications.Load(), 3},
			"deliveries": {a.Deliveries.Load(), 3 + 3 + 2}, "conflated": {a.Conflated.Load(), 1}, "dropped": {a.Dropped.Load(), 2},
			"others' publications": {rest.Publications.Load(), 1}, "others' deliveries": {rest.Deliveries.Load(), 1},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %d, want %d", name, got[0], got[1])
			}
		}
		if took := w.engine.Stats().Latency; took.Count() == 0 {
			t.Error("no delivery was observed")
		}
		before := w.hub.Stats().Latency
		if _, err := stream.Next(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // it writes
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stream.Next(ctx)
		if after := w.hub.Stats().Latency; after.Count() != before.Count()+1 || after.Sum < before.Sum+time.Second {
			t.Errorf("a stream that a goroutine writes: %+v", after)
		}
		stream.Close()
		queue.Close()
		if n := a.Subscriptions.Load(); n != 1 {
			t.Errorf("%d subscriptions are left", n)
		}
		c.Remove(plain, true)
		c.Remove(paced, true)
	})
}
