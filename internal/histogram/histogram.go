// Package histogram counts durations by their size, at the cost of two additions each.
//
//	var h histogram.Histogram
//	h.Observe(3 * time.Millisecond)
//	var all histogram.Snapshot
//	h.AddTo(&all)
//
// All histograms have the same bounds, so that those of several loops add up.
//
// Everything is safe for concurrent use. A reader may see an observation in Sum and not yet in
// Counts, or the other way round.
package histogram

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the buckets, which include them, but for the last one, which has
// none: from 50 µs, which only a quiet machine reaches, to 10 s, by when clients have gone.
var Bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations. The zero value is empty.
type Histogram struct {
	counts [len(Bounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// Observe counts a duration. A negative one, which a clock may give, counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Snapshot is the state of a histogram, or the sum of several.
type Snapshot struct {
	Counts [len(Bounds) + 1]uint64 // of each bucket alone
	Sum    time.Duration
}

// AddTo adds the state of the histogram to a snapshot.
func (h *Histogram) AddTo(s *Snapshot) {
	for i := range h.counts {
		s.Counts[i] += h.counts[i].Load()
	}
	s.Sum += time.Duration(h.sum.Load())
}

// Plus is the sum of both.
func (s Snapshot) Plus(other Snapshot) Snapshot {
	for i := range s.Counts {
		s.Counts[i] += other.Counts[i]
	}
	s.Sum += other.Sum
	return s
}

// Count is the number of all observations.
func (s *Snapshot) Count() (n uint64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}
