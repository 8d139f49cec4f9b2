package oracle

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// truth holds the acknowledged publications.
type truth struct {
	mu    sync.Mutex
	acked map[string]map[uint64]string // by channel and offset: the payload
	epoch string
	count int

	longest time.Duration // that a publisher waited for an answer
	latest  time.Time     // of the acknowledgements
	idle    time.Duration // the longest time between two of them
	more    chan struct{} // closed at the next acknowledgement
	ended   atomic.Bool   // nothing more is published
	over    context.Context
	stop    func() // ends over

	refusals map[string]bool // error codes that publishers expect
}

func newTruth(ctx context.Context, refusals ...string) *truth {
	tr := &truth{acked: make(map[string]map[uint64]string), more: make(chan struct{}), refusals: make(map[string]bool)}
	for _, code := range refusals {
		tr.refusals[code] = true
	}
	tr.over, tr.stop = context.WithCancel(ctx)
	return tr
}

func (tr *truth) add(t *testing.T, channel, epoch string, offset uint64, payload string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.epoch == "" {
		tr.epoch = epoch
	}
	if epoch != tr.epoch {
		t.Errorf("the epoch went from %s to %s: nothing was lost", tr.epoch, epoch)
	}
	if tr.acked[channel] == nil {
		tr.acked[channel] = make(map[uint64]string)
	}
	if before, twice := tr.acked[channel][offset]; twice {
		t.Errorf("%s: both %s and %s are at %d", channel, before, payload, offset)
	}
	tr.acked[channel][offset] = payload
	if now := time.Now(); tr.count > 0 {
		tr.idle, tr.latest = max(tr.idle, now.Sub(tr.latest)), now
	} else {
		tr.latest = now
	}
	tr.count++
	tr.wake()
}

func (tr *truth) took(d time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.longest = max(tr.longest, d)
}

func (tr *truth) wake() {
	close(tr.more)
	tr.more = make(chan struct{})
}

// end marks that nothing more is published.
func (tr *truth) end() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.ended.Store(true)
	tr.stop()
	tr.wake()
}

// await waits until n were acknowledged, or it is over.
func (tr *truth) await(ctx context.Context, n int) {
	for {
		tr.mu.Lock()
		count, more := tr.count, tr.more
		tr.mu.Unlock()
		if count >= n || tr.ended.Load() {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}

func (tr *truth) now() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.count
}

// head is the last offset of a channel, once it is over; 0 before.
func (tr *truth) head(channel string) (last uint64) {
	if !tr.ended.Load() {
		return 0
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for offset := range tr.acked[channel] {
		last = max(last, offset)
	}
	return last
}

func (tr *truth) lastOf(channel string) (last uint64) {
	for offset := range tr.acked[channel] {
		last = max(last, offset)
	}
	return last
}
