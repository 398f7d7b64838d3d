package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestBuckets checks that each duration is in the bucket that ends at or above
// it and is as narrow as promised.
func TestBuckets(t *testing.T) {
	for b := 1; b < buckets; b++ {
		if upper(b) <= upper(b-1) || bucket(upper(b)) != b || bucket(upper(b-1)+1) != b {
			t.Fatalf("bucket %d is from %d to %d", b, upper(b-1)+1, upper(b))
		}
		if width := upper(b) - upper(b-1); width > 1 && int64(width)<<subBits > int64(upper(b)) {
			t.Fatalf("bucket %d, up to %d, is %d wide", b, upper(b), width)
		}
	}
	for _, d := range []time.Duration{upper(buckets-1) + 1, math.MaxInt64} {
		if got := bucket(d); got != buckets-1 {
			t.Errorf("%v is in bucket %d of %d", d, got, buckets)
		}
	}
}

// TestPercentiles compares with the sorted durations.
func TestPercentiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	check := func(d *distribution, all []time.Duration) {
		t.Helper()
		slices.Sort(all)
		for _, percent := range []float64{0, 1, 50, 90, 99, 99.9} {
			want := all[int(percent/100*float64(len(all)))]
			if got := d.at(percent); got < want || got > want+want>>subBits {
				t.Errorf("%v%% of %d: %v, want %v", percent, len(all), got, want)
			}
		}
		if want := all[len(all)-1]; d.total != uint64(len(all)) || d.at(100) < want || d.at(100) > want+want>>subBits {
			t.Errorf("%d, at most %v; want %d, %v", d.total, d.at(100), len(all), want)
		}
	}
	add := func(n int, scale float64) (added []time.Duration) {
		for range n {
			d := time.Duration(math.Exp(r.NormFloat64()) * scale)
			h.addSample(d)
			added = append(added, d)
		}
		return added
	}
	all = add(10_000, 1e6)
	first := h.snapshot()
	check(first, slices.Clone(all))
	later := add(1000, 1e5)
	check(h.snapshot().since(first), slices.Clone(later))
	check(h.snapshot(), slices.Concat(all, later))
	if got := h.snapshot().at(100); got != slices.Max(all) {
		t.Errorf("the longest is %v, want %v", got, slices.Max(all))
	}
}

func TestHistogramOfNothing(t *testing.T) {
	var h histogram
	if d := h.snapshot(); d.at(50) != 0 || d.at(100) != 0 {
		t.Errorf("%v, %v", d.at(50), d.at(100))
	}
	h.addSample(-time.Second)
	if d := h.snapshot(); d.total != 1 || d.at(99) != 0 || d.at(100) != 0 {
		t.Errorf("%d, %v, %v", d.total, d.at(99), d.at(100))
	}
}

func TestHistogramIsConcurrent(t *testing.T) {
	var h histogram
	var adding sync.WaitGroup
	for i := range 8 {
		adding.Go(func() {
			for j := range 1000 {
				h.addSample(time.Duration(i*1000 + j))
			}
		})
	}
	adding.Wait()
	if d := h.snapshot(); d.total != 8000 || d.at(100) != 7999 {
		t.Errorf("%d, at most %v", d.total, d.at(100))
	}
}
