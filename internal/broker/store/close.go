package store

import (
	"time"

	"maru.example/maru/internal/machine"
)

// closePatience is how long Close waits for writes that do not end.
const closePatience = 2 * time.Second

// Close implements maru.Broker. It waits for submissions, closes the store and unlocks the
// directory. Submissions whose writes cannot end because the disk is in trouble fail.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	close(b.ending)
	ended := b.drained()
	close(b.closing)
	b.tending.Wait()
	if !ended {
		b.files.fence("the server ends")
		b.abandon()
		return b.lock.Unlock()
	}
	return b.end()
}

// drained waits for the writers. It reports false if they cannot end.
func (b *Broker) drained() bool { return b.ends(b.writers.Wait) && b.files.fenced.Load() == nil }

// ends calls wait and reports whether it has returned. It gives up when writes have not succeeded
// for closePatience.
func (b *Broker) ends(wait func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for stuck := time.Duration(0); ; {
		select {
		case <-done:
			return true
		case <-tick.C:
			if stuck += retryInterval; !b.stuck() {
				stuck = 0
			}
			if stuck >= closePatience || b.files.fenced.Load() != nil {
				return false
			}
		}
	}
}

// end closes the store, and records a clean end.
func (b *Broker) end() error {
	b.opening.Lock()
	db, last := b.db, b.last
	b.db = nil
	b.opening.Unlock()
	ended := b.ends(func() {
		if db != nil {
			closeDB(db)
		}
		if last != nil {
			last.sync()
			last.setHeader(header{boot: machine.BootID(), identity: b.options.identity(b.options.Dir), clean: true})
			last.sync()
			last.close()
		}
	})
	if !ended {
		b.files.fence("the server ends")
	}
	return b.lock.Unlock()
}
