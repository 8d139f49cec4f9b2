package hub_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

func TestPresence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		check := func(want maru.Presence) {
			t.Helper()
			want.Channel = "a"
			if got := w.hub.Presence("a"); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		check(maru.Presence{Users: []maru.PresentUser{}})

		c := w.hub.Channel("a")
		var sockets []hub.Socket
		for _, user := range []string{"lee", "kim", "", "kim"} {
			s := w.connect().socket(bare)
			s.User = user
			join(c, s)
			sockets = append(sockets, s)
		}
		queue, _, _ := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
		absent, _, _ := w.hub.Subscribe(t.Context(), "a", hub.Reader{User: "poll", Absent: true}, maru.HistoryQuery{})
		check(maru.Presence{Version: 5, Count: 3, Anonymous: 2,
			Users: []maru.PresentUser{{User: "kim", Connections: 2}, {User: "lee", Connections: 1}}})

		absent.Close()
		queue.Close()
		c.Remove(sockets[0], true)
		check(maru.Presence{Version: 7, Count: 2, Anonymous: 1, Users: []maru.PresentUser{{User: "kim", Connections: 2}}})
		for _, s := range sockets[1:] {
			c.Remove(s, true)
		}
		c.Release()

		// Without subscribers no state is kept, and yet the version does not go back.
		check(maru.Presence{Version: 10, Users: []maru.PresentUser{}})
		c = w.hub.Channel("a")
		defer c.Release()
		join(c, sockets[0])
		check(maru.Presence{Version: 11, Count: 1, Users: []maru.PresentUser{{User: "lee", Connections: 1}}})
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		c := w.hub.Channel("a")
		defer c.Release()
		watch := w.hub.Watch("a")
		defer watch.Close()

		start := time.Now()
		expect := func(version uint64, after time.Duration) {
			t.Helper()
			p, err := watch.Next(t.Context())
			if err != nil || p.Version != version || time.Since(start) != after {
				t.Errorf("got version %d after %v (%v), want %d after %v", p.Version, time.Since(start), err, version, after)
			}
		}
		join := func() { join(c, w.connect().socket(bare)) }

		expect(0, 0)
		join()
		join()
		expect(2, time.Second) // both, one second after the first answer
		time.AfterFunc(5*time.Second, join)
		expect(3, 6*time.Second) // at once: the last answer is long ago

		// A wait that is cut off loses no change.
		join()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := watch.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		expect(4, 7*time.Second)

		time.AfterFunc(time.Second, w.hub.Close)
		if _, err := watch.Next(t.Context()); !errors.Is(err, &maru.Error{Code: maru.CodeShuttingDown}) {
			t.Error(err)
		}
	})
}
