// Package disktest tests what brokers on disk promise beside the contract of maru.Broker, for which
// there is brokertest: that a restart changes nothing.
//
//	func TestDisk(t *testing.T) { disktest.Run(t, open) }
//
// It also has what their tests have in common.
package disktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
)

// Open opens the broker of a directory. It ends the test if it cannot, and closes the broker at
// the end of the test, unless the test did.
type Open func(t testing.TB, dir string, o maru.BrokerOptions) maru.Broker

type suite struct{ open Open }

// Run tests a broker on disk. Each case has a directory of its own.
func Run(t *testing.T, open Open) {
	s := suite{open}
	for name, show := range map[string]func(*testing.T){
		"restart": s.restart, "aged meanwhile": s.agedMeanwhile, "move": s.move, "many publishers": s.manyPublishers, "events": s.events,
		"records": s.records,
	} {
		t.Run(name, show)
	}
}

// keeping are options that keep the same in every namespace.
func keeping(r maru.Retention) maru.BrokerOptions {
	return maru.BrokerOptions{Retention: func(string) maru.Retention { return r }}
}

func kept(publications int, d maru.Durability) maru.Retention {
	return maru.Retention{Publications: publications, Durability: d}
}

// A restart changes nothing: not the epoch, publications, gaps, versions or keys, and not the
// answer for a namespace without publications.
func (s suite) restart(t *testing.T) {
	t.Parallel()
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		t.Run(durability.String(), func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), keeping(kept(3, durability))
			b := s.open(t, dir, o)
			keyed := maru.PublishOptions{IdempotencyKey: "k", Publisher: "kim"}
			early := Publish(t, b, "a:x", "early", keyed)
			for i := range 5 {
				Publish(t, b, "a:x", fmt.Sprint(i))
			}
			y := Publish(t, b, "a:y", "y", maru.PublishOptions{Version: 7})
			typing := Publish(t, b, "a:x", "typing", maru.PublishOptions{Transient: true, IdempotencyKey: "t"})
			last := Publish(t, b, "a:x", "last")
			before, quiet := History(t, b, "a:x", early.Position), History(t, b, "quiet")
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}

			b = s.open(t, dir, o)
			after := History(t, b, "a:x", early.Position)
			if Texts(after) != "3 4 last" || after.Epoch != before.Epoch || after.Head != last.Offset || *after.Gap != *before.Gap {
				t.Errorf("before %+v %v, after %+v %v", before, before.Gap, after, after.Gap)
			}
			if h := History(t, b, "a:x", last.Position); h.Gap != nil || len(h.Publications) > 0 {
				t.Errorf("from the head: %+v", h)
			}
			if h := History(t, b, "a:never", y.Position); h.Gap != nil {
				t.Errorf("a channel that never had anything: %+v", h.Gap)
			}
			if h := History(t, b, "quiet", maru.Position{Epoch: quiet.Epoch, Offset: quiet.Head}); h.Gap != nil {
				t.Errorf("a namespace that never had anything: %+v", h.Gap)
			}
			if again := Publish(t, b, "a:x", "early", keyed); !again.Replayed || again.Position != early.Position {
				t.Errorf("the key of %v, whose publication is gone: %+v", early, again)
			}
			if again := Publish(t, b, "a:x", "typing", maru.PublishOptions{Transient: true, IdempotencyKey: "t"}); !again.Replayed || again.Position != typing.Position {
				t.Errorf("the key of what was not retained: %+v", again)
			}
			if stale := Publish(t, b, "a:y", "old", maru.PublishOptions{Version: 7}); !stale.Stale || stale.Position != y.Position {
				t.Errorf("version 7 again: %+v", stale)
			}
			if next := Publish(t, b, "a:x", "next"); next.Offset <= last.Offset || next.Epoch != last.Epoch {
				t.Errorf("%v follows %v", next, last)
			}
		})
	}
}

// What became too old while no process ran is reported as a gap, and its numbers are not
// given again.
func (s suite) agedMeanwhile(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), keeping(maru.Retention{Age: time.Second})
	b := s.open(t, dir, o)
	first := Publish(t, b, "a", "x")
	last := Publish(t, b, "a", "y")
	b.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		b = s.open(t, dir, o)
		h := History(t, b, "a", first.Position)
		if len(h.Publications) == 0 {
			if h.Gap == nil || h.Gap.To != last.Offset || h.Head != last.Offset {
				t.Errorf("%+v, gap %+v", h, h.Gap)
			}
			if next := Publish(t, b, "a", "z"); next.Offset <= last.Offset || next.Epoch != last.Epoch {
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
func (s suite) move(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var at maru.Position
	for i, durability := range []maru.Durability{maru.Interval, maru.Sync, maru.Interval} {
		b := s.open(t, dir, keeping(kept(10, durability)))
		if i > 0 {
			if h := History(t, b, "a", at); h.Gap != nil || len(h.Publications) != 0 || len(History(t, b, "a").Publications) != 2*i {
				t.Errorf("%v: %+v", durability, h)
			}
		}
		Publish(t, b, "a", "x")
		at = Publish(t, b, "a", "x").Position
		b.Close()
	}
}

// Issue 16: a restart keeps the names of events, beside publications without one, and those of
// publications that idempotency keys remember.
func (s suite) events(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), keeping(kept(10, maru.Sync))
	keyed := maru.PublishOptions{IdempotencyKey: "k"}
	priced := func() *maru.Publication { return &maru.Publication{Data: []byte("7.50"), Key: "AAPL", Event: "price"} }
	b := s.open(t, dir, o)
	Publish(t, b, "a", "before")
	first, err := maru.Publish(t.Context(), b, "a", priced(), keyed)
	if err != nil {
		t.Fatal(err)
	}
	Publish(t, b, "a", "after")
	b.Close()

	b = s.open(t, dir, o)
	h := History(t, b, "a")
	if Texts(h) != "before 7.50 after" {
		t.Fatalf("%s", Texts(h))
	}
	for i, want := range []string{"", "price", ""} {
		if p := h.Publications[i]; p.Event != want {
			t.Errorf("%q is event %q, want %q", p.Data, p.Event, want)
		}
	}
	if again, err := maru.Publish(t.Context(), b, "a", priced(), keyed); err != nil || !again.Replayed || again.Position != first.Position {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	other := priced()
	other.Event = "change"
	if _, err := maru.Publish(t.Context(), b, "a", other, keyed); !errors.Is(err, &maru.Error{Code: maru.CodeIdempotencyConflict}) {
		t.Errorf("the key for another event: %v", err)
	}
}

// Many publish at once: nothing is lost, doubled or out of order, and it is all there
// after a restart.
func (s suite) manyPublishers(t *testing.T) {
	t.Parallel()
	const publishers, each = 20, 100
	var mu sync.Mutex
	last, delivered := map[string]uint64{}, 0
	dir, o := t.TempDir(), keeping(kept(publishers*each, maru.Interval))
	o.Sink = func(channel string, at maru.Position, p *maru.Publication) {
		mu.Lock()
		defer mu.Unlock()
		if at.Offset <= last[channel] {
			t.Errorf("%d after %d", at.Offset, last[channel])
		}
		last[channel] = at.Offset
		delivered++
	}
	b := s.open(t, dir, o)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			var before uint64
			for j := range each {
				at := Publish(t, b, fmt.Sprint("c", i%3), fmt.Sprintf("%d.%d", i, j), maru.PublishOptions{IdempotencyKey: fmt.Sprintf("%d.%d", i, j)})
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
	b = s.open(t, dir, o)
	n := 0
	for i := range 3 {
		n += len(History(t, b, fmt.Sprint("c", i)).Publications)
	}
	if n != publishers*each {
		t.Errorf("%d of %d are there", n, publishers*each)
	}
}

func (s suite) records(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	Records(t, func() maru.Broker { return s.open(t, dir, maru.BrokerOptions{}) })
}

// Records tests that records that were kept together are there after a restart, as the last change of
// each left it. open opens the same broker again.
func Records(t *testing.T, open func() maru.Broker) {
	b := open()
	k, keeps := b.(maru.BatchKeeper)
	if !keeps {
		t.Skip("the broker keeps no records")
	}
	soon := time.Now().Add(time.Hour)
	keep := func(kind string, changes ...maru.KeptChange) error { return k.KeepAll(t.Context(), kind, changes) }
	errs := []error{
		keep("a", maru.KeptChange{Key: "1", Value: []byte("x"), Until: soon}, maru.KeptChange{Key: "2", Value: []byte("x"), Until: soon}),
		keep("b", maru.KeptChange{Key: "1", Value: []byte("other"), Until: soon}),
		keep("a", maru.KeptChange{Key: "3", Value: []byte{}, Until: soon}, maru.KeptChange{Key: "4", Value: []byte("x"), Until: soon}),
		keep("a", maru.KeptChange{Key: "1"}, maru.KeptChange{Key: "2", Value: []byte("y"), Until: soon},
			maru.KeptChange{Key: "4"}, maru.KeptChange{Key: "4", Value: []byte("z"), Until: soon}, maru.KeptChange{Key: "5"}),
		k.Keep(t.Context(), "a", "6", []byte("one"), soon),
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	for name, err := range map[string]error{
		"no kind":      keep("", maru.KeptChange{Key: "1", Value: []byte("x"), Until: soon}),
		"a large one":  keep("a", maru.KeptChange{Key: "1", Value: make([]byte, 65<<10), Until: soon}),
		"large in all": keep("a", slices.Repeat([]maru.KeptChange{{Key: "1", Value: make([]byte, 60<<10), Until: soon}}, 70)...),
	} {
		if maru.ErrorOf(err).Code != maru.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Close()
	var got []string
	open().(maru.BatchKeeper).Kept(t.Context(), "a", func(key string, value []byte, until time.Time) bool {
		got = append(got, key+"="+string(value))
		return true
	})
	if want := []string{"2=y", "3=", "4=z", "6=one"}; !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// Publish publishes text, or ends the test.
func Publish(t testing.TB, b maru.Broker, channel, text string, o ...maru.PublishOptions) maru.Published {
	t.Helper()
	done, err := maru.Publish(context.Background(), b, channel, &maru.Publication{Data: []byte(text)}, append(o, maru.PublishOptions{})[0])
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// History asks for all that a channel retains, or for all since a position if one is given.
func History(t testing.TB, b maru.Broker, channel string, since ...maru.Position) maru.History {
	t.Helper()
	q := maru.HistoryQuery{Limit: -1}
	if len(since) > 0 {
		q.Since = &since[0]
	}
	h, err := b.History(context.Background(), channel, q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Texts are the data of the publications of a history, with spaces between them.
func Texts(h maru.History) string {
	var all []string
	for _, p := range h.Publications {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

// A Log collects what is logged. It is safe for concurrent use; the zero value is empty.
type Log struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was logged since the beginning or the last Reset.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Reset makes the log empty.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
