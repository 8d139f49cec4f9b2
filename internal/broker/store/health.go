package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"
	"maru.example/maru/internal/machine"
)

// health is whether the broker can take publications. It is safe for concurrent use.
type health struct {
	refusal atomic.Pointer[error] // for publishers; nil: all is well
	mu      sync.Mutex
	final   bool          // only a restart helps
	changed chan struct{} // receives when something has failed
}

// Err implements maru.HealthReporter. It returns the error that publishers get.
func (b *Broker) Err() error {
	if err := b.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// trouble is called for each write that has failed and will be tried again, and for a sync that
// will not.
func (b *Broker) trouble(err error) {
	if why := b.files.fenced.Load(); why != nil {
		b.broken(*why) // a sync has failed, and is not tried again
		return
	}
	refusal := errNotAvailable
	if machine.NoRoom(err) {
		refusal = errStorageFull
		b.freeBallast()
	}
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if b.refusal.Load() != nil {
		return
	}
	b.refuse(refusal)
	b.options.Logger.Error("publishing fails: the history cannot be written; free some space or repair the disk",
		slog.String("dir", b.options.Dir), slog.Any("err", err), slog.String("code", string(refusal.Code)))
}

// broken gives the store up until the next start.
func (b *Broker) broken(why string) {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if b.files != nil {
		b.files.fence(why)
	}
	if b.final {
		return
	}
	b.final = true
	b.refuse(errGone)
	b.options.Logger.Error("publishing fails until the server is started again: the history on disk is gone or damaged",
		slog.String("dir", b.options.Dir), slog.Any("err", why), slog.String("code", string(errGone.Code)))
}

// refuse sets the error for publishers. The caller holds health.mu.
func (b *Broker) refuse(with error) {
	b.refusal.Store(&with)
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// stuck reports whether writes are waiting, maybe for ever.
func (b *Broker) stuck() bool {
	return b.files != nil && (b.files.fenced.Load() != nil || b.files.waiting.Load() > 0)
}

const (
	patience      = 300 * time.Millisecond // with writes that fail, before their publishers get an error
	checkInterval = 250 * time.Millisecond
	tickInterval  = time.Second
)

// tend looks after the directory until Close.
func (b *Broker) tend() {
	check, tick := time.NewTicker(checkInterval), time.NewTicker(tickInterval)
	defer check.Stop()
	defer tick.Stop()
	var giveUp <-chan time.Time
	for {
		select {
		case <-b.changed:
			if giveUp == nil {
				giveUp = time.After(patience)
			}
		case <-giveUp:
			if giveUp = nil; b.stuck() {
				b.abandon()
			}
		case <-check.C:
			b.inspect()
		case <-tick.C:
			b.tick()
		case <-b.closing:
			return
		}
	}
}

// abandon answers everything that waits for the store.
func (b *Broker) abandon() {
	if err := b.Err(); err != nil {
		for _, ns := range b.all() {
			ns.abandon(err)
		}
	}
}

// inspect notices that files were removed while they are in use: the system goes on writing
// to them, and all of it would be lost.
func (b *Broker) inspect() {
	if b.stuck() {
		if b.Err() != nil {
			b.abandon() // what came in since
		}
		return
	}
	if b.last == nil {
		return
	}
	if err := b.there(); err != nil {
		b.broken(err.Error())
	}
}

func (b *Broker) there() error {
	for _, name := range []string{dirlock.Name, lastName} {
		path := filepath.Join(b.options.Dir, name)
		held := b.held[name]
		now, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && held != nil && !os.SameFile(held, now) {
			return fmt.Errorf("%s was removed or replaced", path)
		}
	}
	gone, err := b.files.missing()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s was removed", b.files.dir)
	}
	if gone != "" {
		return fmt.Errorf("%s was removed", filepath.Join(b.files.dir, gone))
	}
	return nil
}

// tick does what is done once a second.
func (b *Broker) tick() {
	if b.Err() != nil {
		b.recover()
		return
	}
	now := time.Now()
	clean := now.Sub(b.cleanedAt) >= maru.IdempotencyAge
	if clean {
		b.cleanedAt = now
	}
	if b.flushing.CompareAndSwap(false, true) && b.count() {
		go b.flush(now, clean)
	}
	chores := b.sweepDue()
	for _, ns := range b.all() {
		if !b.count() {
			return
		}
		b.run(ns, ns.stir(b.now(), chores))
	}
}

// flush syncs what Interval has written, and with clean deletes what is over.
func (b *Broker) flush(now time.Time, clean bool) {
	defer b.writers.Done()
	defer b.flushing.Store(false)
	b.files.flush()
	b.last.sync()
	if clean {
		b.sweepStore(now)
	}
}

// count adds one to writers, unless the broker is closed.
func (b *Broker) count() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.closed {
		b.writers.Add(1)
	}
	return !b.closed
}

// recover ends the refusal of publications when the directory can be written again.
func (b *Broker) recover() {
	b.health.mu.Lock()
	final := b.final
	b.health.mu.Unlock()
	if final || b.files.waiting.Load() > 0 || probe(b.options.fs, b.options.Dir) != nil {
		return
	}
	if b.last == nil {
		if err := b.mend(); err != nil {
			b.options.Logger.Error("the history cannot be opened for writing yet", slog.String("dir", b.options.Dir), slog.Any("err", err))
			return
		}
	}
	b.makeBallast()
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if !b.final && b.files.waiting.Load() == 0 {
		b.refusal.Store(nil)
		b.options.Logger.Info("the history is written again", slog.String("dir", b.options.Dir))
	}
}
