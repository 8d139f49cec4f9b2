package memory_test

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/broker/memory"
)

func open(t *testing.T, o brokertest.Options) maru.Broker {
	return memory.New(memory.Options{Retention: o.Retention, EmptyChannels: o.EmptyChannels, Sink: o.Sink})
}

func TestBroker(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, open)
}

// The suite also runs in real time, as brokers that do I/O need it.
func TestBrokerInRealTime(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, open, brokertest.RealTime())
}

func TestZeroOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{})
		for range 101 {
			publish(t, b, "a", "x")
		}
		time.Sleep(24*time.Hour - 1)
		if n := len(history(t, b, "a").Publications); n != 100 {
			t.Errorf("retained %d, want 100 for 24 h", n)
		}
		time.Sleep(time.Nanosecond)
		if n := len(history(t, b, "a").Publications); n != 0 {
			t.Errorf("retained %d after 24 h, want none", n)
		}
		for _, c := range []struct{ bytes, retained int }{
			{32<<20 - memory.PublicationOverhead, 1},
			{32<<20 - memory.PublicationOverhead, 2},
			{0, 2}, // takes the first
		} {
			p := &maru.Publication{Kind: maru.Binary, Data: make([]byte, c.bytes)}
			if _, err := maru.Publish(context.Background(), b, "a", p, maru.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
			if n := len(history(t, b, "a").Publications); n != c.retained {
				t.Errorf("retained %d, want %d of what counts 64 MiB together", n, c.retained)
			}
		}
	})
}

func TestNegativeOptionsRetainNothing(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]memory.Options{
		"count": {Retention: memory.Everywhere(maru.Retention{Publications: -1})},
		"age":   {Retention: memory.Everywhere(maru.Retention{Age: -1})},
		"bytes": {Retention: memory.Everywhere(maru.Retention{Bytes: -1})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New(o)
			at := publish(t, b, "a", "x")
			h := history(t, b, "a", maru.Position{})
			if len(h.Publications) != 0 || h.Head != at.Offset || h.Gap == nil {
				t.Errorf("history %+v after %v", h, at)
			}
		})
	}
}

func TestEachBrokerHasItsEpoch(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-z]{8,}$`)
	a, b := publish(t, memory.New(memory.Options{}), "a", "x"), publish(t, memory.New(memory.Options{}), "a", "x")
	if a.Epoch == b.Epoch || !form.MatchString(a.Epoch) {
		t.Errorf("epochs %q and %q", a.Epoch, b.Epoch)
	}
}

func TestBytesCounted(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Bytes: 2 * (memory.PublicationOverhead + 9)})})
	for _, p := range []*maru.Publication{
		{Data: []byte("123456789")},
		{Data: []byte("12345"), Key: "67", User: "89"},
		{Data: []byte("12345"), Key: "6789"},
	} {
		if _, err := maru.Publish(context.Background(), b, "a", p, maru.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want := memory.Held{Namespaces: 1, Channels: 1, Publications: 2, Bytes: 2 * (memory.PublicationOverhead + 9)}
	if got := b.HeldInAll(); got != want {
		t.Errorf("holds %+v, want %+v", got, want)
	}
	publish(t, b, "a", "1234567890") // a byte more takes two
	if got := b.HeldInAll().Publications; got != 1 {
		t.Errorf("holds %d publications, want 1", got)
	}
}

func TestAskingCostsNothing(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{})
	for i := range 100 {
		history(t, b, "unknown"+strconv.Itoa(i))
		history(t, b, strconv.Itoa(i)+":unknown")
	}
	if got := b.HeldInAll(); got != (memory.Held{}) {
		t.Errorf("holds %+v, want nothing", got)
	}
}

func TestMemoryIsFreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Age: time.Minute}), EmptyChannels: 10})
		for i := range 100 {
			publish(t, b, strconv.Itoa(i), "x")
		}
		time.Sleep(time.Minute)
		if got := b.HeldInAll().Publications; got != 100 {
			t.Errorf("holds %d publications before anybody asks, want 100", got)
		}
		publish(t, b, "a", "x")
		want := memory.Held{Namespaces: 1, Channels: 11, Publications: 1, Bytes: memory.PublicationOverhead + 1}
		if got := b.HeldInAll(); got != want {
			t.Errorf("holds %+v, want %+v", got, want)
		}
		time.Sleep(time.Minute)
		history(t, b, "unknown")
		want = memory.Held{Namespaces: 1, Channels: 10}
		if got := b.HeldInAll(); got != want {
			t.Errorf("holds %+v, want %+v", got, want)
		}
		b.Close()
		if got := b.HeldInAll(); got != (memory.Held{}) {
			t.Errorf("holds %+v after Close, want nothing", got)
		}
	})
}

// Channels are forgotten in the order in which they became empty. The head of all of them
// is then the highest offset that any of them had.
func TestForgottenChannels(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Publications: -1}), EmptyChannels: 2})
	at := map[string]uint64{}
	for _, channel := range []string{"a", "b", "c", "b", "d", "e"} { // b is remembered longer than c
		at[channel] = publish(t, b, channel, "x").Offset
	}
	for channel, want := range map[string]uint64{"a": at["b"], "b": at["b"], "c": at["b"], "d": at["d"], "e": at["e"]} {
		if got := history(t, b, channel).Head; got != want {
			t.Errorf("head of %s is %d, want %d", channel, got, want)
		}
	}
	removed := at["b"]
	for since, want := range map[uint64]*maru.Gap{
		0:           {Reason: maru.GapExpired, From: 1, To: removed},
		removed - 1: {Reason: maru.GapExpired, From: removed, To: removed},
		removed:     nil,
		at["e"]:     nil,
		at["e"] + 1: {Reason: maru.GapEpoch},
	} {
		for _, channel := range []string{"a", "b", "never"} {
			got := history(t, b, channel, maru.Position{Offset: since}).Gap
			if (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("gap of %s from %d is %+v, want %+v", channel, since, got, want)
			}
		}
	}
}

// The namespace whose last publication is oldest is forgotten. A subscriber that returns to
// one of its channels receives a gap, and new offsets are above the old ones.
func TestForgottenNamespaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{Namespaces: 2})
		publish(t, b, "west:a", "x") // first to come, last to publish: not the one to go
		var east maru.Position
		for range 10 {
			time.Sleep(time.Nanosecond)
			east = publish(t, b, "east:a", "x")
		}
		time.Sleep(time.Nanosecond)
		west := publish(t, b, "west:a", "x")
		time.Sleep(time.Nanosecond)
		publish(t, b, "north:a", "x") // takes east

		if got := b.HeldInAll(); got.Namespaces != 2 || got.Publications != 3 {
			t.Errorf("holds %+v, want west with two publications and north with one", got)
		}
		if h := history(t, b, "west:a", west); h.Gap != nil || h.Head != west.Offset {
			t.Errorf("west is %+v, want it untouched", h)
		}
		before := maru.Position{Epoch: east.Epoch, Offset: east.Offset - 1}
		for range 2 { // before and after east is published to again
			want := maru.Gap{Reason: maru.GapExpired, From: east.Offset, To: east.Offset}
			if h := history(t, b, "east:a", before); h.Gap == nil || *h.Gap != want {
				t.Errorf("gap %+v, want %+v", h.Gap, want)
			}
			if h := history(t, b, "east:a", east); h.Gap != nil {
				t.Errorf("gap %+v from the last one known, want none", h.Gap)
			}
			if again := publish(t, b, "east:a", "x"); again.Offset <= east.Offset || again.Epoch != east.Epoch {
				t.Errorf("%v follows %v", again, east)
			}
		}
	})
}

// Close waits for a call of the Sink, and none follows.
func TestCloseWaitsForTheSink(t *testing.T) {
	t.Parallel()
	var closed atomic.Bool
	entered, done := make(chan struct{}), make(chan struct{})
	b := memory.New(memory.Options{Sink: func(string, maru.Position, *maru.Publication) {
		close(entered)
		for range 1000 { // time enough for a Close that does not wait
			runtime.Gosched()
		}
		if closed.Load() {
			t.Error("Close returned while the sink was at work")
		}
	}})
	go func() {
		defer close(done)
		publish(t, b, "a", "x")
	}()
	<-entered
	b.Close()
	closed.Store(true)
	<-done
}

// With publishers, readers, forgetting and Close at once, what was accepted is delivered
// once, with rising offsets, and nothing is delivered after Close.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	const workers = 8
	var (
		mu        sync.Mutex
		closed    bool
		last      = make(map[string]uint64)
		delivered int
		accepted  [workers]int
	)
	b := memory.New(memory.Options{
		Retention:     memory.Everywhere(maru.Retention{Publications: 2, Bytes: 3 * memory.PublicationOverhead}),
		EmptyChannels: 1, Namespaces: 2,
		Sink: func(channel string, at maru.Position, p *maru.Publication) {
			mu.Lock()
			defer mu.Unlock()
			if at.Offset <= last[channel] || p.Offset != at.Offset || closed {
				t.Errorf("%s: %v delivered after %d, closed: %t", channel, at, last[channel], closed)
			}
			last[channel] = at.Offset
			delivered++
		},
	})
	ready := make(chan struct{}, workers)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				if i == 1000 {
					ready <- struct{}{}
				}
				channel := strconv.Itoa(i%3) + ":" + strconv.Itoa((worker+i)%5)
				_, err := maru.Publish(context.Background(), b, channel, &maru.Publication{}, maru.PublishOptions{})
				if err == nil {
					accepted[worker]++
					_, err = b.History(context.Background(), channel, maru.HistoryQuery{Since: &maru.Position{}, Limit: -1})
				}
				if err != nil {
					if !errors.Is(err, &maru.Error{Code: maru.CodeShuttingDown}) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range workers {
		<-ready
	}
	b.Close()
	mu.Lock()
	closed = true
	mu.Unlock()
	wg.Wait()

	var sum int
	for _, n := range accepted {
		sum += n
	}
	if sum != delivered {
		t.Errorf("%d accepted, %d delivered", sum, delivered)
	}
}

func publish(tb testing.TB, b *memory.Broker, channel, text string) maru.Position {
	tb.Helper()
	at, err := maru.Publish(context.Background(), b, channel, &maru.Publication{Data: []byte(text)}, maru.PublishOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return at.Position
}

// history asks for all, or for all since a position if one is given.
func history(tb testing.TB, b *memory.Broker, channel string, since ...maru.Position) maru.History {
	tb.Helper()
	q := maru.HistoryQuery{Limit: -1}
	if len(since) > 0 {
		q.Since = &since[0]
	}
	h, err := b.History(context.Background(), channel, q)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}
