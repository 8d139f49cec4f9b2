package bench_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"maru.example/maru/internal/bench"
)

func durations() *rapid.Generator[[]time.Duration] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		// All magnitudes alike, the borders among them.
		bits := rapid.IntRange(0, 62).Draw(t, "bits")
		return time.Duration(rapid.Int64Range(0, 1<<bits).Draw(t, "value"))
	}), 1, 200)
}

// A quantile is never below the exact one and at most 1/128 above; the extremes
// are exact.
func TestQuantilesAgainstSorting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := durations().Draw(t, "durations")
		var h bench.Histogram
		for _, d := range all {
			h.Record(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
			got := h.Quantile(q)
			if got < exact || float64(got-exact) > float64(exact)/128 {
				t.Fatalf("quantile %v is %d, exactly %d", q, got, exact)
			}
		}
		if h.Min() != all[0] || h.Max() != all[len(all)-1] || h.Count() != uint64(len(all)) {
			t.Fatalf("min %d, max %d, count %d of %d", h.Min(), h.Max(), h.Count(), all)
		}
		sum := 0.0
		for _, d := range all {
			sum += float64(d)
		}
		if mean := sum / float64(len(all)); math.Abs(float64(h.Mean())-mean) > mean/1e9+1 {
			t.Fatalf("mean %d, exactly %f", h.Mean(), mean)
		}
	})
}

// The buckets hold all, rise, and each duration is in the one whose border is the
// next above it, give or take a fine bucket.
func TestBucketsHoldAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := durations().Draw(t, "durations")
		var h bench.Histogram
		for _, d := range all {
			h.Record(d)
		}
		buckets := h.Buckets(8)
		if buckets[0].Count == 0 || buckets[len(buckets)-1].Count == 0 {
			t.Fatal("an empty bucket at an end")
		}
		var count uint64
		for i, b := range buckets {
			count += b.Count
			if i > 0 && b.Le < buckets[i-1].Le {
				t.Fatalf("border %d after %d", b.Le, buckets[i-1].Le)
			}
			upTo, surely := uint64(0), uint64(0)
			for _, d := range all {
				if d <= b.Le {
					upTo++
				}
				if float64(d)*(1+1.0/100)+2 <= float64(b.Le) {
					surely++
				}
			}
			if count > upTo || count < surely {
				t.Fatalf("%d up to %d, exactly %d", count, b.Le, upTo)
			}
		}
		if count != h.Count() {
			t.Fatalf("%d in buckets, %d in all", count, h.Count())
		}
	})
}

// Two together are as if one had recorded everything.
func TestHistogramsTogether(t *testing.T) {
	t.Parallel()
	var all, one, other, sum bench.Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		all.Record(d)
		if i%3 == 0 {
			one.Record(d)
		} else {
			other.Record(d)
		}
	}
	sum.Add(&bench.Histogram{})
	sum.Add(&one)
	sum.Add(&other)
	if !reflect.DeepEqual(sum, all) {
		t.Errorf("%d %v %v %v, want %d %v %v %v", sum.Count(), sum.Min(), sum.Max(), sum.Mean(), all.Count(), all.Min(), all.Max(), all.Mean())
	}
}

func TestEmptyHistogram(t *testing.T) {
	t.Parallel()
	var h bench.Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 || h.Buckets(8) != nil {
		t.Error("an empty histogram has figures")
	}
	h.Record(-time.Second)
	if h.Max() != 0 || h.Count() != 1 {
		t.Errorf("a negative duration counts as %v", h.Max())
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	var h bench.Histogram
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
