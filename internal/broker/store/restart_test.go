package store_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
)

// A restart changes nothing: not the epoch, publications, gaps, versions or keys, and not the
// answer for a namespace without publications.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		t.Run(durability.String(), func(t *testing.T) {
			t.Parallel()
			o := in(t.TempDir(), kept(3, durability))
			b := open(t, o)
			keyed := maru.PublishOptions{IdempotencyKey: "k", Publisher: "kim"}
			early := publish(t, b, "a:x", "early", keyed)
			for i := range 5 {
				publish(t, b, "a:x", fmt.Sprint(i))
			}
			y := publish(t, b, "a:y", "y", maru.PublishOptions{Version: 7})
			typing := publish(t, b, "a:x", "typing", maru.PublishOptions{Transient: true, IdempotencyKey: "t"})
			last := publish(t, b, "a:x", "last")
			before, quiet := history(t, b, "a:x", early.Position), history(t, b, "quiet")
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}

			b = open(t, o)
			after := history(t, b, "a:x", early.Position)
			if texts(after) != "3 4 last" || after.Epoch != before.Epoch || after.Head != last.Offset || *after.Gap != *before.Gap {
				t.Errorf("before %+v %v, after %+v %v", before, before.Gap, after, after.Gap)
			}
			if h := history(t, b, "a:x", last.Position); h.Gap != nil || len(h.Publications) > 0 {
				t.Errorf("from the head: %+v", h)
			}
			if h := history(t, b, "a:never", y.Position); h.Gap != nil {
				t.Errorf("a channel that never had anything: %+v", h.Gap)
			}
			if h := history(t, b, "quiet", maru.Position{Epoch: quiet.Epoch, Offset: quiet.Head}); h.Gap != nil {
				t.Errorf("a namespace that never had anything: %+v", h.Gap)
			}
			if again := publish(t, b, "a:x", "early", keyed); !again.Replayed || again.Position != early.Position {
				t.Errorf("the key of %v, whose publication is gone: %+v", early, again)
			}
			if again := publish(t, b, "a:x", "typing", maru.PublishOptions{Transient: true, IdempotencyKey: "t"}); !again.Replayed || again.Position != typing.Position {
				t.Errorf("the key of what was not retained: %+v", again)
			}
			if stale := publish(t, b, "a:y", "old", maru.PublishOptions{Version: 7}); !stale.Stale || stale.Position != y.Position {
				t.Errorf("version 7 again: %+v", stale)
			}
			if next := publish(t, b, "a:x", "next"); next.Offset <= last.Offset || next.Epoch != last.Epoch {
				t.Errorf("%v follows %v", next, last)
			}
		})
	}
}

// What became too old while no process ran is reported as a gap, and its numbers are not
// given again.
func TestAgedMeanwhile(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), maru.Retention{Age: time.Second})
	b := open(t, o)
	first := publish(t, b, "a", "x")
	last := publish(t, b, "a", "y")
	b.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		b = open(t, o)
		h := history(t, b, "a", first.Position)
		if len(h.Publications) == 0 {
			if h.Gap == nil || h.Gap.To != last.Offset || h.Head != last.Offset {
				t.Errorf("%+v, gap %+v", h, h.Gap)
			}
			if next := publish(t, b, "a", "z"); next.Offset <= last.Offset || next.Epoch != last.Epoch {
				t.Errorf("%v follows %v", next, last)
			}
			return
		}
		b.Close()
		if time.Now().After(deadline) {
			t.Fatal("20 s later publications of at most 1 s are still there")
		}
	}
}

// A namespace can be moved to another durability, and back.
func TestMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var at maru.Position
	for i, durability := range []maru.Durability{maru.Interval, maru.Sync, maru.Interval} {
		b := open(t, in(dir, kept(10, durability)))
		if i > 0 {
			if h := history(t, b, "a", at); h.Gap != nil || len(h.Publications) != 0 || len(history(t, b, "a").Publications) != 2*i {
				t.Errorf("%v: %+v", durability, h)
			}
		}
		publish(t, b, "a", "x")
		at = publish(t, b, "a", "x").Position
		b.Close()
	}
}

// Issue 14 §7: a namespace that is listed later begins an epoch of its own. Its keys and versions
// of the pool still count. One that was listed once keeps its history.
func TestListedLater(t *testing.T) {
	t.Parallel()
	var listed atomic.Bool
	o := in(t.TempDir(), kept(100, maru.Sync))
	o.Listed = func(string) bool { return listed.Load() }
	b := open(t, o)
	keyed := maru.PublishOptions{IdempotencyKey: "k", Version: 7}
	first := publish(t, b, "un:a", "x", keyed)
	before := publish(t, b, "un:a", "y")

	listed.Store(true)
	if h := history(t, b, "un:a", before.Position); h.Gap == nil {
		t.Errorf("moved without a gap: %+v", h)
	}
	if again := publish(t, b, "un:a", "x", keyed); !again.Replayed || again.Position != first.Position {
		t.Errorf("the key again: %+v, want %+v", again, first)
	}
	if old := publish(t, b, "un:a", "old", maru.PublishOptions{Version: 3}); !old.Stale {
		t.Errorf("version 3 after 7: %+v", old)
	}
	after := publish(t, b, "un:a", "z")
	if h := history(t, b, "un:a", before.Position); after.Epoch == before.Epoch || h.Gap == nil {
		t.Errorf("%v, then %v in the same epoch, gap %v", before, after, h.Gap)
	}

	listed.Store(false)
	for range 2 { // in this life and in the next
		next := publish(t, b, "un:a", "more")
		if h := history(t, b, "un:a", after.Position); h.Gap != nil || len(h.Publications) != 1 || next.Epoch != after.Epoch {
			t.Errorf("no longer listed: %+v, then %v", h, next)
		}
		after = next
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, o)
	}
}

// Issue 14 §10: while memory is short the oldest publications go, those of the pool first.
func TestShrink(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), kept(1000, maru.Interval))
	o.Listed = func(namespace string) bool { return namespace != "pool" }
	o.CacheBytes = 1 // nothing is in it
	b := open(t, o)
	for i := range 300 {
		for _, channel := range []string{"pool:" + strings.Repeat("n", 100) + strconv.Itoa(i), "old:a", "new:a"} {
			if channel != "new:a" || i > 200 {
				publish(t, b, channel, "x")
			}
		}
	}
	left := func() (pool, old, young int) {
		for i := range 300 {
			pool += len(history(t, b, "pool:"+strings.Repeat("n", 100)+strconv.Itoa(i), maru.Position{}).Publications)
		}
		return pool, len(history(t, b, "old:a", maru.Position{}).Publications), len(history(t, b, "new:a", maru.Position{}).Publications)
	}
	before := b.Held().Memory
	if freed := b.Shrink(before * 9 / 10); freed < before*9/10 {
		t.Errorf("freed %d of %d", freed, before)
	}
	publish(t, b, "pool:last", "x") // behind what the writers do
	publish(t, b, "old:a", "x")
	pool, old, young := left()
	if pool != 0 || old > 250 || young != 99 {
		t.Errorf("left %d of the pool, %d and %d of the listed ones", pool, old, young)
	}
}

// Many publish at once: nothing is lost, doubled or out of order, and it is all there
// after a restart.
func TestManyPublishers(t *testing.T) {
	t.Parallel()
	const publishers, each = 20, 100
	var mu sync.Mutex
	last, delivered := map[string]uint64{}, 0
	o := in(t.TempDir(), kept(publishers*each, maru.Interval))
	o.Sink = func(channel string, at maru.Position, p *maru.Publication) {
		mu.Lock()
		defer mu.Unlock()
		if at.Offset <= last[channel] {
			t.Errorf("%d after %d", at.Offset, last[channel])
		}
		last[channel] = at.Offset
		delivered++
	}
	b := open(t, o)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			var before uint64
			for j := range each {
				at := publish(t, b, fmt.Sprint("c", i%3), fmt.Sprintf("%d.%d", i, j), maru.PublishOptions{IdempotencyKey: fmt.Sprintf("%d.%d", i, j)})
				if at.Offset <= before {
					t.Errorf("%d after %d", at.Offset, before)
				}
				before = at.Offset
			}
		})
	}
	wg.Wait()
	b.Close()
	if delivered != publishers*each {
		t.Errorf("%d delivered", delivered)
	}
	b = open(t, o)
	n := 0
	for i := range 3 {
		n += len(history(t, b, fmt.Sprint("c", i)).Publications)
	}
	if n != publishers*each {
		t.Errorf("%d of %d are there", n, publishers*each)
	}
}

// A namespace whose record is lost begins a new epoch, once: the idempotency keys that it had
// before are counted again.
func TestRecordLost(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), kept(3, maru.Sync))
	b := open(t, o)
	first := publish(t, b, "a:x", "early", maru.PublishOptions{IdempotencyKey: "k"})
	if err := b.LoseRecord("a"); err != nil {
		t.Fatal(err)
	}
	b.Close()
	b = open(t, o)
	second := publish(t, b, "a:x", "late", maru.PublishOptions{IdempotencyKey: "l"})
	if second.Epoch == first.Epoch {
		t.Errorf("%v follows %v", second, first)
	}
	b.Close()
	b = open(t, o)
	if third := publish(t, b, "a:x", "last"); third.Epoch != second.Epoch {
		t.Errorf("%v follows %v", third, second)
	}
}
