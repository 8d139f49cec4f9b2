package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"

	"pgregory.net/rapid"
)

func (w *world) publishKey(channel, key, text string) {
	p := &maru.Publication{Key: key, Data: []byte(text)}
	if _, err := maru.Publish(context.Background(), w.broker, channel, p, maru.PublishOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// At two a second the first publication is sent at once, then the newest of each key half a second
// later, in the order of offsets.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		c := w.hub.Channel("a")
		defer c.Release()
		s := w.connect()
		socket := s.socket(bare)
		socket.Mode = hub.Mode{Latest: true, MaxHz: 2}
		join(c, socket)
		defer c.Remove(socket, true)
		want := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(s.messages(), " "); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		w.publishKey("a", "x", "x1")
		want("x1")
		w.publishKey("a", "x", "x2")
		w.publishKey("a", "y", "y1")
		w.publishKey("a", "x", "x3")
		time.Sleep(499 * time.Millisecond)
		want("x1")
		time.Sleep(time.Millisecond)
		want("x1 y1 x3")
		if n := w.hub.Stats().Paced; n != 1 {
			t.Errorf("%d were made stale", n)
		}
		time.Sleep(time.Minute)
		w.publishKey("a", "y", "y2") // after a rest: at once
		want("x1 y1 x3 y2")
		w.publishKey("a", "y", "y3")

		// A subscriber that joins meanwhile has it from the history, and does not get it twice.
		late := w.connect()
		lateSocket := late.socket(bare)
		lateSocket.Mode = hub.Mode{Latest: true, MaxHz: 2}
		if err := joinFrom(t.Context(), c, lateSocket, maru.HistoryQuery{Limit: 10}); err != nil {
			t.Fatal(err)
		}
		w.publishKey("a", "x", "x4")
		time.Sleep(time.Second)
		want("x1 y1 x3 y2 y3 x4")
		if got := strings.Join(late.messages(), " "); got != "x3 y3 x4" {
			t.Errorf("late: %s", got)
		}
		c.Remove(lateSocket, false)
		w.publishKey("a", "x", "x5")
		want("x1 y1 x3 y2 y3 x4 x5")
		if got := strings.Join(late.messages(), " "); got != "x3 y3 x4" {
			t.Errorf("after unsubscribing: %s", got)
		}
	})
}

// A namespace's limit applies to subscribers that ask for more, or for no limit.
func TestModeWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{MaxHz: func(channel string) float64 { return float64(len(channel)) }})
		c := w.hub.Channel("abcd")
		defer c.Release()
		for m, want := range map[hub.Mode]float64{{}: 4, {Latest: true}: 4, {Latest: true, MaxHz: 5}: 4, {Latest: true, MaxHz: 3}: 3} {
			if got := c.Mode(m); !got.Latest || got.MaxHz != want {
				t.Errorf("%+v becomes %+v", m, got)
			}
		}
	})
}

// In an unread conflated queue only the newest publication of each key waits, and Next returns no
// more often than MaxHz.
func TestLatestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{QueueMessages: 10})
		w.publishKey("a", "x", "x0")
		w.publishKey("a", "y", "y0")
		w.publishKey("a", "x", "x00")
		queue, history, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{Mode: hub.Mode{Latest: true, MaxHz: 4}}, maru.HistoryQuery{Since: &maru.Position{Offset: 3}, Limit: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer queue.Close()
		next := func() string {
			batch, err := queue.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, d := range batch {
				texts = append(texts, string(d.Publication.Data))
			}
			return strings.Join(texts, " ")
		}
		var replay []string
		for _, p := range history.Publications {
			replay = append(replay, string(p.Data))
		}
		if got := strings.Join(replay, " "); got != "y0 x00" {
			t.Errorf("replay %s", got)
		}
		for i := range 100 {
			w.publishKey("a", "x", fmt.Sprint("x", i))
			w.publishKey("a", fmt.Sprint("k", i%3), fmt.Sprint(i))
		}
		start := time.Now()
		if got := next(); got != "x99 99 97 98" || time.Since(start) != 0 {
			t.Errorf("got %s after %v", got, time.Since(start))
		}
		w.publishKey("a", "x", "x100")
		w.publishKey("a", "x", "x101")
		if got := next(); got != "x101" || time.Since(start) != 250*time.Millisecond {
			t.Errorf("got %s after %v", got, time.Since(start))
		}
	})
}

// A subscriber that joins at any time sees each key only get newer, and ends with the newest of
// each. It gets no key more often than MaxHz, however much is published.
func TestPacedReadersAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) { agreeOnNewest(t, rt) })
	})
}

func agreeOnNewest(t *testing.T, rt *rapid.T) {
	w := openWorld(t, hub.Options{})
	defer w.close()
	c := w.hub.Channel("a")
	defer c.Release()
	mode := hub.Mode{Latest: true, MaxHz: rapid.SampledFrom([]float64{0, 1, 10}).Draw(rt, "hz")}
	newest := make(map[string]int)
	var readers []*client
	n := 0
	for range rapid.IntRange(1, 60).Draw(rt, "steps") {
		switch rapid.IntRange(0, 3).Draw(rt, "do") {
		case 0:
			reader := w.connect()
			socket := reader.socket(bare)
			socket.Mode = mode
			if err := joinFrom(context.Background(), c, socket, maru.HistoryQuery{Since: new(maru.Position), Limit: -1}); err != nil {
				rt.Fatal(err)
			}
			defer c.Remove(socket, true)
			readers = append(readers, reader)
		default:
			n++
			key := fmt.Sprint(rapid.IntRange(0, 3).Draw(rt, "key"))
			newest[key] = n
			w.publishKey("a", key, fmt.Sprintf("%s %d", key, n))
		}
		time.Sleep(time.Duration(rapid.SampledFrom([]int{0, 0, 50, 2000}).Draw(rt, "ms")) * time.Millisecond)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for i, reader := range readers {
		seen := make(map[string]int)
		for _, m := range reader.messages() {
			key, number, _ := strings.Cut(m, " ")
			var n int
			fmt.Sscan(number, &n)
			if n <= seen[key] {
				rt.Fatalf("reader %d sees %d of %s after %d", i, n, key, seen[key])
			}
			seen[key] = n
		}
		for key, n := range newest {
			if seen[key] != n {
				rt.Fatalf("reader %d ends with %v, want %v: %v", i, seen, newest, slices.Clip(reader.messages()))
			}
		}
	}
}
