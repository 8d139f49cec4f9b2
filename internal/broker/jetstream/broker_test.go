package jetstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/jetstream"
)

func open(t testing.TB, o jetstream.Options) *jetstream.Broker {
	t.Helper()
	b, err := jetstream.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestBroker(t *testing.T) {
	t.Parallel()
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		t.Run(durability.String(), func(t *testing.T) {
			t.Parallel()
			brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
				kept := o.Retention("")
				kept.Durability = durability
				o.Retention = func(string) maru.Retention { return kept }
				return open(t, jetstream.Options{BrokerOptions: o.BrokerOptions, Dir: t.TempDir(), EmptyChannels: o.EmptyChannels})
			}, brokertest.RealTime())
		})
	}
}

// in are the options of a broker in a directory that keeps the same in every namespace.
func in(dir string, r maru.Retention) jetstream.Options {
	return jetstream.Options{Dir: dir, BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return r }}}
}

func kept(publications int, d maru.Durability) maru.Retention {
	return maru.Retention{Publications: publications, Durability: d}
}

func publish(t testing.TB, b maru.Broker, channel, text string, o ...maru.PublishOptions) maru.Published {
	t.Helper()
	done, err := maru.Publish(context.Background(), b, channel, &maru.Publication{Data: []byte(text)}, append(o, maru.PublishOptions{})[0])
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func history(t testing.TB, b maru.Broker, channel string, since ...maru.Position) maru.History {
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

func texts(h maru.History) string {
	var all []string
	for _, p := range h.Publications {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

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

type record struct{ path, text string }

func readRecord(t *testing.T, dir string) record {
	t.Helper()
	path := filepath.Join(dir, "record.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return record{path, string(b)}
}

func (r record) replace(t *testing.T, old, new string) {
	t.Helper()
	if !strings.Contains(r.text, old) {
		t.Fatalf("no %s in %s", old, r.text)
	}
	if err := os.WriteFile(r.path, []byte(strings.Replace(r.text, old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// When the store may have lost something the epoch changes, the log says why, and what
// is there is still returned.
func TestEpochs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		durability maru.Durability
		change     func(t *testing.T, dir string)
		renewed    string
	}{
		"nothing":                   {maru.Interval, func(t *testing.T, dir string) {}, ""},
		"the end was not clean":     {maru.Interval, func(t *testing.T, dir string) { readRecord(t, dir).replace(t, `"clean":true`, `"clean":false`) }, ""},
		"another boot, clean":       {maru.Interval, func(t *testing.T, dir string) { readRecord(t, dir).replace(t, `"boot":"`, `"boot":"x`) }, ""},
		"another boot, not clean":   {maru.Interval, anotherBoot, "went down"},
		"another boot, each synced": {maru.Sync, anotherBoot, ""},
		"more was acknowledged":     {maru.Interval, func(t *testing.T, dir string) { readRecord(t, dir).replace(t, `"last":2`, `"last":3`) }, "ends before"},
		"the same, each synced":     {maru.Sync, func(t *testing.T, dir string) { readRecord(t, dir).replace(t, `"last":2`, `"last":3`) }, "ends before"},
		"the record is missing":     {maru.Interval, func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "record.json")) }, "does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lines
			o := in(t.TempDir(), kept(10, c.durability))
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			b := open(t, o)
			publish(t, b, "a", "x")
			at := publish(t, b, "a", "y").Position
			b.Close()
			c.change(t, o.Dir)
			b = open(t, o)
			h := history(t, b, "a", at)
			if (h.Gap != nil) != (c.renewed != "") || (h.Epoch != at.Epoch) != (c.renewed != "") || !strings.Contains(log.String(), c.renewed) {
				t.Errorf("epoch %s after %s, gap %+v; the log: %s", h.Epoch, at.Epoch, h.Gap, &log)
			}
			if got := texts(history(t, b, "a")); got != "x y" {
				t.Errorf("there is %q", got)
			}
			if next := publish(t, b, "a", "z"); next.Offset <= at.Offset {
				t.Errorf("%v follows %v", next, at)
			}
		})
	}
}

func anotherBoot(t *testing.T, dir string) {
	readRecord(t, dir).replace(t, `"clean":true`, `"clean":false`)
	readRecord(t, dir).replace(t, `"boot":"`, `"boot":"x`)
}

// A store that lost its tail is detected, whatever JetStream reports.
func TestLostTail(t *testing.T) {
	t.Parallel()
	o := in(t.TempDir(), kept(1000, maru.Interval))
	b := open(t, o)
	var at maru.Position
	for i := range 100 {
		at = publish(t, b, "a", fmt.Sprint(i)).Position
	}
	b.Close()
	blocks, err := filepath.Glob(filepath.Join(o.Dir, "interval", "jetstream", "*", "streams", "default-*", "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%v %v", blocks, err)
	}
	info, _ := os.Stat(blocks[0])
	if err := os.Truncate(blocks[0], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(filepath.Dir(blocks[0]), "index.db"))
	b = open(t, o)
	h := history(t, b, "a", at)
	if h.Gap == nil || h.Gap.Reason != maru.GapEpoch {
		t.Errorf("gap %+v", h.Gap)
	}
	if n := len(h.Publications); n == 0 || n >= 100 {
		t.Errorf("%d are left", n)
	}
	if next := publish(t, b, "a", "z"); next.Offset <= at.Offset {
		t.Errorf("%v follows %v", next, at)
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

// The error for a directory that cannot be used names it and the reason.
func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, jetstream.Options{Dir: dir})
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	damaged := t.TempDir()
	os.WriteFile(filepath.Join(damaged, "record.json"), []byte("{"), 0o600)
	newer := t.TempDir()
	os.WriteFile(filepath.Join(newer, "record.json"), []byte(`{"format":2,"epoch":"x","namespaces":{}}`), 0o600)
	for dir, want := range map[string]string{dir: "in use", file: "not a directory", damaged: "damaged", newer: "format 2"} {
		b, err := jetstream.Open(jetstream.Options{Dir: dir})
		if err == nil {
			b.Close()
			t.Errorf("%s: no error, want %s", dir, want)
		} else if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s and %s", err, dir, want)
		}
	}
}

// A publication too large for a message of the log is refused, and the next is accepted.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := open(t, in(t.TempDir(), maru.Retention{Bytes: 1 << 30}))
	_, err := maru.Publish(t.Context(), b, "a", &maru.Publication{Kind: maru.Binary, Data: make([]byte, 64<<20)}, maru.PublishOptions{})
	if maru.ErrorOf(err).Code != maru.CodeTooLarge {
		t.Error(err)
	}
	publish(t, b, "a", "x")
}

// One namespace more than a directory may hold is refused; the others go on.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes a thousand streams")
	}
	b := open(t, jetstream.Options{Dir: t.TempDir()})
	var failed error
	for i := range jetstream.MaxNamespaces + 1 {
		_, failed = maru.Publish(context.Background(), b, fmt.Sprintf("n%d:x", i), &maru.Publication{}, maru.PublishOptions{})
		if failed != nil && i < jetstream.MaxNamespaces {
			t.Fatal(i, failed)
		}
	}
	if code := maru.ErrorOf(failed).Code; code != maru.CodeStorageFull {
		t.Errorf("one too many: %v", failed)
	}
	publish(t, b, "n0:y", "x")
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// BenchmarkPublish has 100 publishers that wait for each acknowledgement.
func BenchmarkPublish(b *testing.B) {
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		b.Run(durability.String(), func(b *testing.B) {
			broker := open(b, in(b.TempDir(), kept(100, durability)))
			var next sync.Mutex
			i := 0
			var wg sync.WaitGroup
			b.ResetTimer()
			for range 100 {
				wg.Go(func() {
					for {
						next.Lock()
						n := i
						i++
						next.Unlock()
						if n >= b.N {
							return
						}
						publish(b, broker, fmt.Sprint("c", n%100), "a line of chat of some sixty bytes, neither short nor very long", maru.PublishOptions{IdempotencyKey: fmt.Sprint(n)})
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
		})
	}
}
