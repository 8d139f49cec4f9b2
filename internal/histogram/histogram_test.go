package histogram_test

import (
	"slices"
	"testing"
	"time"

	"maru.example/maru/internal/histogram"
)

func TestHistogram(t *testing.T) { // not parallel: it counts allocations
	if !slices.IsSorted(histogram.Bounds[:]) {
		t.Error("the bounds are not in order")
	}
	var h, other histogram.Histogram
	for _, d := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, 50*time.Microsecond + 1, time.Millisecond, 10 * time.Second, 11 * time.Second} {
		h.Observe(d)
	}
	other.Observe(time.Millisecond)
	var s histogram.Snapshot
	h.AddTo(&s)
	other.AddTo(&s)
	want := histogram.Snapshot{Sum: 100*time.Microsecond + 1 + 2*time.Millisecond + 21*time.Second}
	want.Counts[0], want.Counts[1], want.Counts[4], want.Counts[16], want.Counts[17] = 3, 1, 2, 1, 1
	if s != want || s.Count() != 8 {
		t.Errorf("%d in all: %+v, want %+v", s.Count(), s, want)
	}
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h histogram.Histogram
	for b.Loop() {
		h.Observe(300 * time.Microsecond)
	}
}
