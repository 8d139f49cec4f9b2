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
	historypkg "maru.example/maru/internal/history"
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
			{32<<20 - memory.PublicationOverhead - 1, 1},
			{32<<20 - memory.PublicationOverhead - 1, 2},
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
	b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Bytes: 2 * (memory.PublicationOverhead + 10)})})
	for _, p := range []*maru.Publication{
		{Data: []byte("123456789")},
		{Data: []byte("12345"), Key: "67", User: "89"},
		{Data: []byte("12345"), Key: "6789"},
	} {
		if _, err := maru.Publish(context.Background(), b, "a", p, maru.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want := memory.Held{Namespaces: 1, Channels: 1, Publications: 2, Bytes: 2 * (memory.PublicationOverhead + 10)}
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

// Issue 14, 8: expired publications and keys leave memory although nobody asks.
func TestMemoryIsFreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Age: time.Minute}), EmptyChannels: 10})
		defer b.Close()
		for i := range 100 {
			publish(t, b, strconv.Itoa(i), "x")
		}
		publishKeyed(t, b, "keyed", "k")
		time.Sleep(time.Minute - 1)
		if got := b.Held().Publications; got != 101 {
			t.Errorf("holds %d publications before they are too old, want 101", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, want := b.Held(), (maru.Held{Channels: 10, Forgotten: 91, Memory: 10*historypkg.HeadBytes + historypkg.KeyBytes}); got != want {
			t.Errorf("holds %+v, want %+v", got, want)
		}
		time.Sleep(maru.IdempotencyAge)
		synctest.Wait()
		if got, want := b.Held(), (maru.Held{Channels: 10, Forgotten: 91, Memory: 10 * historypkg.HeadBytes}); got != want {
			t.Errorf("holds %+v, want %+v", got, want)
		}
		b.Close()
		if got := b.Held(); got != (maru.Held{Forgotten: 91}) {
			t.Errorf("holds %+v after Close, want nothing", got)
		}
	})
}

// A namespace with a shorter age than the others is not kept until theirs ends.
func TestShorterAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{Retention: func(namespace string) maru.Retention {
			if namespace == "short" {
				return maru.Retention{Age: time.Minute}
			}
			return maru.Retention{}
		}})
		defer b.Close()
		publish(t, b, "long:a", "x")
		publish(t, b, "short:a", "x")
		time.Sleep(time.Minute + 2*time.Second)
		synctest.Wait()
		if got := b.Held().Publications; got != 1 {
			t.Errorf("holds %d publications, want only the one that is kept longer", got)
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

// Issue 14, 7: clients that invent names can neither evict, fill nor slow one
// that is listed.
func TestUnlistedShareAPool(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{
		Retention: memory.Everywhere(maru.Retention{Bytes: 10 * (memory.PublicationOverhead + 20)}),
		Listed:    func(namespace string) bool { return namespace == "orders" },
	})
	first := publish(t, b, "orders:a", "x")
	for i := range 2000 {
		publish(t, b, strconv.Itoa(i)+":a", "x")
	}
	if h := history(t, b, "orders:a", maru.Position{Epoch: first.Epoch}); len(h.Publications) != 1 || h.Gap != nil {
		t.Errorf("orders is %+v, want it untouched", h)
	}
	if next := publish(t, b, "orders:a", "x"); next.Offset != first.Offset+1 {
		t.Errorf("orders went on at %d after %d", next.Offset, first.Offset)
	}
	if got := b.Held(); got.Publications > 2+10 || got.Bytes > 12*(memory.PublicationOverhead+20) {
		t.Errorf("holds %+v, want at most the bytes of one namespace for all names", got)
	}
}

// A namespace that is listed later continues above the numbers that it had in the pool, and
// what the pool has of it is reported as missing.
func TestListedLater(t *testing.T) {
	t.Parallel()
	var listed atomic.Bool
	b := memory.New(memory.Options{Listed: func(string) bool { return listed.Load() }})
	keyed := maru.PublishOptions{IdempotencyKey: "k", Version: 7}
	first, err := maru.Publish(t.Context(), b, "east:a", &maru.Publication{}, keyed)
	if err != nil {
		t.Fatal(err)
	}
	before := publish(t, b, "east:a", "x")
	listed.Store(true)
	if again, err := maru.Publish(t.Context(), b, "east:a", &maru.Publication{}, keyed); err != nil || !again.Replayed || again.Position != first.Position {
		t.Errorf("the key again: %+v, %v, want %+v", again, err, first)
	}
	if old, err := maru.Publish(t.Context(), b, "east:a", &maru.Publication{}, maru.PublishOptions{Version: 3}); err != nil || !old.Stale {
		t.Errorf("version 3 after 7: %+v, %v", old, err)
	}
	after := publish(t, b, "east:a", "y")
	if after.Epoch != before.Epoch || after.Offset <= before.Offset {
		t.Errorf("%v follows %v", after, before)
	}
	h := history(t, b, "east:a", maru.Position{Epoch: before.Epoch})
	if len(h.Publications) != 1 || h.Gap == nil || h.Gap.To < before.Offset {
		t.Errorf("history %+v, want a gap up to %d", h, before.Offset)
	}
	if h := history(t, b, "east:a", before); h.Gap != nil {
		t.Errorf("gap %+v from the last one, want none", h.Gap)
	}
}

// Issue 14, 4: within ten minutes a key is never forgotten, however many others there are: beyond its
// share a publisher's new keys are refused.
func TestKeysHaveShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{PublisherKeys: 10, Keys: 25})
		defer b.Close()
		submit := func(publisher, key string, share maru.KeyShare) (maru.Published, error) {
			o := maru.PublishOptions{IdempotencyKey: key, Publisher: publisher, Share: share}
			return maru.Publish(t.Context(), b, "pay", &maru.Publication{Data: []byte(key)}, o)
		}
		first, err := submit("kim", "order-1", maru.OneShare)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for publisher := range 4 {
			for i := range 12 {
				if _, err := submit(strconv.Itoa(publisher), strconv.Itoa(i), maru.OneShare); errors.Is(err, &maru.Error{Code: maru.CodeRateLimited}) {
					refused++
					if maru.ErrorOf(err).RetryAfter <= 0 {
						t.Error("a refusal without RetryAfter")
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
		if refused != 4*12-24 {
			t.Errorf("%d refused, want all but the 24 that are left", refused)
		}
		for i := range 100 {
			if _, err := submit("\x00backend", strconv.Itoa(i), maru.NoShare); err != nil {
				t.Fatalf("an API key: %v", err)
			}
		}
		if _, err := submit("everybody", "0", maru.AllShares); !errors.Is(err, &maru.Error{Code: maru.CodeRateLimited}) {
			t.Errorf("beyond the bound of all: %v", err)
		}
		if again, err := submit("kim", "order-1", maru.OneShare); err != nil || !again.Replayed || again.Position != first.Position {
			t.Errorf("order-1 again: %+v, %v", again, err)
		}
		if _, err := maru.Publish(t.Context(), b, "pay", &maru.Publication{}, maru.PublishOptions{Publisher: "0"}); err != nil {
			t.Errorf("without a key: %v", err)
		}
		time.Sleep(maru.IdempotencyAge)
		if _, err := submit("0", "new", maru.OneShare); err != nil {
			t.Errorf("ten minutes later: %v", err)
		}
	})
}

// Issue 14, 3: the version is part of a channel's head: it does not go backwards when the versioned
// publication is removed, nor when the channel is quiet and many others are busy.
func TestVersionsAreNotForgotten(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Publications: -1})})
	version := func(n uint64) maru.Published {
		done, err := maru.Publish(t.Context(), b, "price", &maru.Publication{}, maru.PublishOptions{Version: n})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	version(10)
	for i := range 20_000 {
		publish(t, b, "other"+strconv.Itoa(i), "x")
	}
	if done := version(9); !done.Stale {
		t.Errorf("version 9 after 10: %+v", done)
	}
	if done := version(11); done.Stale {
		t.Errorf("version 11 after 10: %+v", done)
	}
}

// Issue 14, 2: a client that returns to a quiet channel misses nothing, however busy others are.
func TestNoFalseGap(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Publications: -1})})
	once := publish(t, b, "once", "x")
	for i := range 20_000 {
		publish(t, b, "other"+strconv.Itoa(i), "x")
	}
	for channel, since := range map[string]maru.Position{"once": once, "never": {Epoch: once.Epoch}} {
		if h := history(t, b, channel, since); h.Gap != nil {
			t.Errorf("%s: gap %+v", channel, h.Gap)
		}
	}
	if n := b.Held().Forgotten; n != 0 {
		t.Errorf("%d channels forgotten", n)
	}
}

// Shrink takes from the pool first, then the oldest of all.
func TestShrink(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{Listed: func(namespace string) bool { return namespace != "pool" }})
	publish(t, b, "old:a", "x")
	for range 10 {
		publish(t, b, "pool:a", "x")
		publish(t, b, "new:a", "x")
	}
	before := b.Held().Bytes
	freed := b.Shrink(1)
	if after := b.Held(); freed <= 0 || before-after.Bytes != freed || after.Publications != 20 {
		t.Errorf("freed %d, holds %+v", freed, after)
	}
	b.Shrink(9*300 + 1) // the pool, and one more
	if n := len(history(t, b, "pool:a").Publications) + len(history(t, b, "old:a").Publications); n != 0 {
		t.Errorf("%d left of the pool and the oldest", n)
	}
	if n := len(history(t, b, "new:a").Publications); n == 0 {
		t.Error("the newest are gone too")
	}
	if freed := b.Shrink(1 << 40); freed <= 0 || b.Held().Bytes != 0 || b.Shrink(1) != 0 {
		t.Errorf("freed %d, then holds %+v", freed, b.Held())
	}
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
		EmptyChannels: 1, Listed: func(namespace string) bool { return namespace != "2" },
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

func publishKeyed(tb testing.TB, b *memory.Broker, channel, key string) {
	tb.Helper()
	if _, err := maru.Publish(context.Background(), b, channel, &maru.Publication{}, maru.PublishOptions{IdempotencyKey: key}); err != nil {
		tb.Fatal(err)
	}
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
