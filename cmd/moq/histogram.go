package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits is how finely each power of two is divided: a percentile is at
	// most one part in 2^subBits too high.
	subBits = 6

	// topBit is the highest bit of the longest time that is told from longer
	// ones: some 18 minutes.
	topBit = 40

	buckets = (topBit - subBits + 2) << subBits
)

// A histogram counts times, in buckets that widen with the time. The zero value
// is ready to use, by any number of goroutines.
type histogram struct {
	counts [buckets]atomic.Uint64
	most   atomic.Int64
}

// add counts d; a negative one is zero.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)].Add(1)
	for most := h.most.Load(); int64(d) > most; most = h.most.Load() {
		if h.most.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// bucket is where d is counted: times below 2^subBits have one each.
func bucket(d time.Duration) int {
	v := uint64(d)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return min(shift<<subBits+int(v>>shift), buckets-1)
}

// upper is the longest time of a bucket.
func upper(bucket int) time.Duration {
	shift := max(bucket>>subBits-1, 0)
	return time.Duration((uint64(bucket-shift<<subBits)+1)<<shift - 1)
}

// A distribution is what a histogram has counted.
type distribution struct {
	counts [buckets]uint64
	total  uint64
	most   time.Duration
}

// snapshot is what has been counted until now.
func (h *histogram) snapshot() *distribution {
	d := &distribution{most: time.Duration(h.most.Load())}
	for i := range h.counts {
		d.counts[i] = h.counts[i].Load()
		d.total += d.counts[i]
	}
	return d
}

// since is what has been counted since an earlier snapshot. Its longest time is
// as fine as the buckets are.
func (d *distribution) since(earlier *distribution) *distribution {
	diff := new(distribution)
	for i := range d.counts {
		n := d.counts[i] - earlier.counts[i]
		diff.counts[i] = n
		diff.total += n
		if n > 0 {
			diff.most = min(upper(i), d.most)
		}
	}
	return diff
}

// at is the time that so many percent of all do not exceed; 100 is the longest,
// and 0 without any.
func (d *distribution) at(percent float64) time.Duration {
	if percent >= 100 {
		return d.most
	}
	left := uint64(percent / 100 * float64(d.total))
	for i, n := range d.counts {
		if n > left {
			return min(upper(i), d.most)
		}
		left -= n
	}
	return d.most
}
