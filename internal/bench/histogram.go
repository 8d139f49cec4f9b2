package bench

import (
	"math"
	"math/bits"
	"time"
)

// Histogram counts durations in log-linear buckets, as HDR histograms do: 128 to
// each doubling, so that a quantile is at most 1/128 above the truth. It does not
// grow. The zero value is empty; it is not safe for concurrent use.
type Histogram struct {
	counts   [buckets]uint64
	count    uint64
	sum      float64 // of nanoseconds: an integer could overflow
	min, max int64
}

const (
	subBits = 7
	sub     = 1 << subBits         // buckets to a doubling; below 2*sub each value has its own
	buckets = (64 - subBits) * sub // a duration has 63 bits
)

// Record counts one duration; a negative one as 0.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucketOf(v)]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.count++
	h.sum += float64(v)
}

// Add takes over what other has.
func (h *Histogram) Add(other *Histogram) {
	if other.count == 0 {
		return
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.count += other.count
	h.sum += other.sum
}

// bucketOf numbers the buckets from 0 in the order of their values.
func bucketOf(v int64) int {
	shift := max(bits.Len64(uint64(v))-subBits-1, 0)
	return shift*sub + int(v>>shift)
}

// highest is the largest value of a bucket.
func highest(bucket int) int64 {
	shift := max(bucket/sub-1, 0)
	return int64(uint64(bucket-shift*sub+1)<<shift - 1)
}

// Count is how many were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Max is the longest, Min the shortest, Mean the mean; 0 of none. They are exact.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Min: see Max.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Mean: see Max.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}

// Quantile is a duration that the share q, 0 to 1, of all does not exceed; 0 of
// none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(q * float64(h.count))
	if float64(rank) < q*float64(h.count) || rank == 0 {
		rank++
	}
	rank = min(rank, h.count)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(min(highest(i), h.max))
		}
	}
	return h.Max()
}

// Bucket is durations counted together: those above the bucket before, up to Le.
type Bucket struct {
	Le    time.Duration
	Count uint64
}

// Buckets joins the fine buckets into ones that are equally wide on a logarithmic
// scale, so many to a doubling, from the first that is not empty to the last. With
// up to 16 to a doubling a fine bucket that lies across a border does not show.
func (h *Histogram) Buckets(perDoubling int) []Bucket {
	place := func(v int64) int { return int(math.Ceil(float64(perDoubling) * math.Log2(float64(max(v, 1))))) }
	if h.count == 0 {
		return nil
	}
	first := place(min(highest(bucketOf(h.min)), h.max))
	all := make([]Bucket, place(h.max)-first+1)
	for i := range all {
		all[i].Le = time.Duration(math.Ceil(math.Exp2(float64(first+i) / float64(perDoubling))))
	}
	for i, n := range h.counts {
		if n > 0 {
			all[place(min(highest(i), h.max))-first].Count += n
		}
	}
	return all
}
