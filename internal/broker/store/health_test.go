package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/store"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// refused publishes until the error has the code, which must be soon.
func refused(t *testing.T, b maru.Broker, code maru.Code) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < 20*time.Second {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := maru.Publish(ctx, b, "a", &maru.Publication{Data: []byte("in trouble")}, maru.PublishOptions{})
		cancel()
		if err != nil {
			if got := maru.ErrorOf(err).Code; got != code {
				t.Fatalf("%v, want %s", err, code)
			}
			return
		}
	}
	t.Fatal("publications are still accepted")
}

// mended waits until publications are accepted.
func mended(t *testing.T, b *store.Broker) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); b.Err() != nil; <-tick.C {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("publications are still refused: %v", b.Err())
		}
	}
}

// Issue 14, 6: on a disk that becomes full or read-only, publications fail within a second, also
// those that wait, and histories are served. When it recovers, everything goes on: nothing
// that was acknowledged is lost, and what was in progress is delivered once.
func TestDiskInTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code maru.Code
	}{
		"full":      {syscall.ENOSPC, maru.CodeStorageFull},
		"quota":     {syscall.EDQUOT, maru.CodeStorageFull},
		"read-only": {syscall.EROFS, maru.CodeUnavailable},
		"broken":    {syscall.EIO, maru.CodeUnavailable},
	} {
		for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
			t.Run(fmt.Sprint(name, " ", durability), func(t *testing.T) {
				t.Parallel()
				disk := &faulty{FS: vfs.Default}
				var mu sync.Mutex
				delivered := map[uint64]int{}
				o := in(t.TempDir(), kept(1000, durability)).On(disk)
				o.Sink = func(_ string, at maru.Position, _ *maru.Publication) {
					mu.Lock()
					defer mu.Unlock()
					delivered[at.Offset]++
				}
				b := open(t, o)
				first := publish(t, b, "a", "x")
				healthy := open(t, in(t.TempDir(), kept(1000, maru.Interval)))
				disk.fail(c.err)
				rounds := roundsOf(t, healthy)
				refused(t, b, c.code)
				if n := rounds(); n >= 4 {
					t.Errorf("the first refusal came after %d rounds of 250 ms in a healthy store", n)
				}
				rounds = roundsOf(t, healthy)
				refused(t, b, c.code)
				if n := rounds(); n >= 2 {
					t.Errorf("the second refusal came after %d rounds", n)
				}
				if h := history(t, b, "a"); len(h.Publications) != 1 || h.Epoch != first.Epoch {
					t.Errorf("while the disk is in trouble: %+v", h)
				}
				disk.heal()
				mended(t, b)
				last := publish(t, b, "a", "y")
				before := history(t, b, "a", first.Position)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				if want := len(before.Publications) + 1; len(delivered) != want {
					t.Errorf("%d delivered, want %d", len(delivered), want)
				}
				for offset, n := range delivered {
					if n != 1 {
						t.Errorf("%d was delivered %d times", offset, n)
					}
				}
				b = open(t, o)
				if after := history(t, b, "a", first.Position); !sameAnswer(after, before) || after.Head != last.Offset {
					t.Errorf("before %s, after %s", show(before), show(after))
				}
			})
		}
	}
}

// Issue 14, 6: a server starts on a full or read-only disk, serves the history that there is,
// and goes on by itself when the disk can be written. A new directory is an error.
func TestStartOnDiskInTrouble(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"full": syscall.ENOSPC, "read-only": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := &faulty{FS: vfs.Default}
			o := in(t.TempDir(), kept(1000, maru.Sync)).On(disk)
			b := open(t, o)
			first := publish(t, b, "a", "x")
			publish(t, b, "a", "y")
			b.Close()
			disk.fail(err)
			b = open(t, o)
			h := history(t, b, "a", first.Position)
			if texts(h) != "y" || h.Gap != nil {
				t.Errorf("%s", show(h))
			}
			refused(t, b, maru.CodeStorageFull)
			if err := b.Keep(t.Context(), "kind", "key", nil, time.Now().Add(time.Hour)); err == nil {
				t.Error("a record was kept")
			}
			disk.heal()
			mended(t, b)
			publish(t, b, "a", "z")
			if h := history(t, b, "a", first.Position); texts(h) != "y z" || h.Gap != nil {
				t.Errorf("after it was mended: %s", show(h))
			}
			b.Close()
			b = open(t, o)
			if h := history(t, b, "a", first.Position); texts(h) != "y z" || h.Gap != nil {
				t.Errorf("after a restart: %s", show(h))
			}
			disk.fail(err)
			if _, err := store.Open(in(t.TempDir(), kept(1, maru.Sync)).On(disk)); err == nil {
				t.Error("a new directory that cannot be written was opened")
			}
		})
	}
}

// roundsOf measures a time as a healthy store has it: in rounds of 250 ms and one publication.
// Four of them take a second, and longer on a busy machine. They begin at once, and end with the
// call of the function that it returns, which gives their number.
func roundsOf(t *testing.T, healthy maru.Broker) (rounds func() int) {
	stop, count := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { count <- n }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(250 * time.Millisecond):
			}
			if _, err := maru.Publish(t.Context(), healthy, "a", &maru.Publication{}, maru.PublishOptions{}); err != nil {
				return // the test is over
			}
			n++
		}
	}()
	return func() int {
		close(stop)
		return <-count
	}
}

// Issue 14, 5: when the directory or a file of it is removed while it is in use, publications
// fail within a second, and the log says why.
func TestRemoved(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, dir string){
		"directory": func(t *testing.T, dir string) { os.RemoveAll(dir) },
		"moved":     func(t *testing.T, dir string) { os.Rename(dir, dir+"-moved") },
		"store":     func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "store")) },
		"last":      func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "last")) },
		"lock":      func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "lock")) },
		"log": func(t *testing.T, dir string) {
			logs, _ := filepath.Glob(filepath.Join(dir, "store", "*.log"))
			for _, log := range logs {
				os.Remove(log)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lines
			o := in(filepath.Join(t.TempDir(), "d"), kept(1000, maru.Interval))
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			b := open(t, o)
			publish(t, b, "a", "x")
			rounds := roundsOf(t, open(t, in(t.TempDir(), kept(1000, maru.Interval))))
			remove(t, o.Dir)
			refused(t, b, maru.CodeUnavailable)
			if n := rounds(); n >= 4 {
				t.Errorf("it was refused after %d rounds of 250 ms in a healthy store", n)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if log.String() == "" {
				t.Error("the log says nothing")
			}
		})
	}
}

// A sync that fails is not repeated, since the system may have dropped what it could not write:
// publications fail until the next start, which finds everything that was acknowledged.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	disk := &faulty{FS: vfs.Default}
	o := in(t.TempDir(), kept(1000, maru.Sync)).On(disk)
	b := open(t, o)
	first := publish(t, b, "a", "x")
	var broken error = syscall.EIO
	disk.syncs.Store(&broken)
	refused(t, b, maru.CodeUnavailable)
	disk.syncs.Store(nil)
	time.Sleep(1500 * time.Millisecond) // the disk is looked at every second
	rounds := roundsOf(t, open(t, in(t.TempDir(), kept(1000, maru.Interval))))
	refused(t, b, maru.CodeUnavailable)
	if n := rounds(); n >= 4 {
		t.Errorf("the second refusal came after %d rounds of 250 ms in a healthy store", n)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	b = open(t, o)
	if h := history(t, b, "a"); len(h.Publications) == 0 || h.Publications[0].Offset != first.Offset {
		t.Errorf("%s", show(h))
	}
}
