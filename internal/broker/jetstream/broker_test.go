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

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/disktest"
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

// What the tests of both brokers on disk have in common.
var publish, history, texts = disktest.Publish, disktest.History, disktest.Texts

type lines = disktest.Log

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

func TestDisk(t *testing.T) {
	t.Parallel()
	disktest.Run(t, func(t testing.TB, dir string, o maru.BrokerOptions) maru.Broker {
		return open(t, jetstream.Options{BrokerOptions: o, Dir: dir})
	})
}

// in are the options of a broker in a directory that keeps the same in every namespace.
func in(dir string, r maru.Retention) jetstream.Options {
	return jetstream.Options{Dir: dir, BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return r }}}
}

func kept(publications int, d maru.Durability) maru.Retention {
	return maru.Retention{Publications: publications, Durability: d}
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
