package store_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"maru.example/maru"
)

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
