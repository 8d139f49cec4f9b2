package store

import (
	"sync"
	"time"
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
func (b *Broker) drained() bool {
	done := make(chan struct{})
	go func() {
		b.writers.Wait()
		close(done)
	}()
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for stuck := time.Duration(0); ; {
		select {
		case <-done:
			return b.files.fenced.Load() == nil
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
	defer b.opening.Unlock()
	var shut sync.WaitGroup
	closed := make(chan struct{})
	shut.Go(func() {
		if b.db != nil {
			closeDB(b.db)
		}
		if b.last != nil {
			b.last.sync()
			b.last.setHeader(header{boot: bootID(), identity: b.options.identity(b.options.Dir), clean: true})
			b.last.sync()
			b.last.close()
		}
		close(closed)
	})
	select {
	case <-closed:
	case <-time.After(5 * closePatience):
		b.files.fence("the server ends")
	}
	b.db = nil
	return b.lock.Unlock()
}
