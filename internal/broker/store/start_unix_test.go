//go:build unix

package store_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/broker/store"
)

// Issue 14, 7: however many namespaces there are, at most 40 files are there and open, and a start
// reads no more of them (BenchmarkStartNamespaces says how long it takes). Names that are not
// listed have no files or records of their own, and cannot evict what a listed namespace has.
func TestManyNamespaces(t *testing.T) {
	t.Parallel()
	o := manyNamespaces(t)
	before := openFiles(t, o.Dir)
	b := open(t, o)
	if files := openFiles(t, o.Dir) - before; files > 40 {
		t.Errorf("%d files are open", files)
	}
	if files, err := filepath.Glob(filepath.Join(o.Dir, "*", "*")); err != nil || len(files) == 0 || len(files) > 40 {
		t.Errorf("%d files are there, %v", len(files), err)
	}
	for i := range 1000 {
		if h := history(t, b, fmt.Sprintf("n%d:a", i)); texts(h) != "kept" {
			t.Fatalf("n%d: %s", i, show(h))
		}
	}
	if r := history(t, b, "x0-1:a"); r.Epoch != history(t, b, "x9-9:b").Epoch {
		t.Error("names that are not listed have epochs of their own")
	}
	if held := b.Held(); held.Bytes > 1001*(1<<20) || held.Publications > 1000+600 {
		t.Errorf("%+v", held)
	}
}

// manyNamespaces fills a directory with 1,000 listed and 1,000 unlisted namespaces.
func manyNamespaces(t testing.TB) store.Options {
	t.Helper()
	o := in(t.TempDir(), maru.Retention{Publications: 10, Bytes: 1 << 20, Durability: maru.Interval})
	o.Listed = func(name string) bool { return !strings.HasPrefix(name, "x") }
	b := open(t, o)
	var wg sync.WaitGroup
	for part := range 10 {
		wg.Go(func() {
			for i := range 100 {
				publish(t, b, fmt.Sprintf("n%d:a", 100*part+i), "kept")
				publish(t, b, fmt.Sprintf("x%d-%d:a", part, i), strings.Repeat("x", 2000))
			}
		})
	}
	wg.Wait()
	b.Close()
	return o
}

// openFiles counts the files of a directory that this process has open.
func openFiles(t *testing.T, dir string) (n int) {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		t.Skip("the system does not say which files are open")
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

// BenchmarkStartNamespaces opens a directory with 2,000 namespaces.
func BenchmarkStartNamespaces(b *testing.B) {
	o := manyNamespaces(b)
	for b.Loop() {
		again, err := store.Open(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		again.Close()
		b.StartTimer()
	}
}

// BenchmarkStart opens a directory with 1,000,000 retained publications of 200 bytes.
func BenchmarkStart(b *testing.B) {
	o := in(b.TempDir(), maru.Retention{Publications: 1000, Bytes: 1 << 40, Durability: maru.Interval})
	broker := open(b, o)
	var wg sync.WaitGroup
	data := []byte(strings.Repeat("x", 200))
	for i := range 100 {
		wg.Go(func() {
			for j := range 10_000 {
				maru.Publish(b.Context(), broker, fmt.Sprintf("c%d-%d", i, j%10), &maru.Publication{Data: data}, maru.PublishOptions{})
			}
		})
	}
	wg.Wait()
	broker.Close()
	var size int64
	filepath.WalkDir(o.Dir, func(_ string, entry fs.DirEntry, _ error) error {
		if info, err := entry.Info(); err == nil && !entry.IsDir() {
			size += info.Size()
		}
		return nil
	})
	b.ReportMetric(float64(size)/(1<<20), "MiB-on-disk")
	for b.Loop() {
		again, err := store.Open(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
		if n := again.Held().Publications; n != 1_000_000 {
			b.Fatalf("%d are there", n)
		}
		again.Close()
		b.StartTimer()
	}
}
