package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits determines the resolution: a percentile is at most one part in
	// 2^subBits too high.
	subBits = 6

	// topBit is the highest bit of the longest time that has a bucket of its
	// own, about 18 minutes.
	topBit = 40

	buckets = (topBit - subBits + 2) << subBits
)

// A histogram counts durations in buckets that become wider with the duration.
// The zero value is ready to use. It is safe for concurrent use.
type histogram struct {
	counts [buckets]atomic.Uint64
	most   atomic.Int64
}

// addSample counts d. Negative durations count as zero.
func (h *histogram) addSample(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)].Add(1)
	// The buckets are too wide to tell the maximum; it is kept by itself.
	for most := h.most.Load(); int64(d) > most; most = h.most.Load() {
		if h.most.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// bucket returns the bucket of d. Durations below 2^subBits have one each.
func bucket(d time.Duration) int {
	v := uint64(d)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return min(shift<<subBits+int(v>>shift), buckets-1)
}

// upper returns the longest duration of a bucket.
func upper(bucket int) time.Duration {
	shift := max(bucket>>subBits-1, 0)
	return time.Duration((uint64(bucket-shift<<subBits)+1)<<shift - 1)
}

// A distribution is the state of a histogram at one moment.
type distribution struct {
	counts [buckets]uint64
	total  uint64
	most   time.Duration
}

// snapshot returns what was counted until now.
func (h *histogram) snapshot() *distribution {
	d := &distribution{most: time.Duration(h.most.Load())}
	for i := range h.counts {
		d.counts[i] = h.counts[i].Load()
		d.total += d.counts[i]
	}
	return d
}

// since returns what was counted since an earlier snapshot. Its maximum has
// the resolution of the buckets.
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

// at returns a percentile; 100 is the maximum. It is 0 if nothing was counted.
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
