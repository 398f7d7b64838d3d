package redial

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestRanges compares a set of spans with a map.
func TestRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var r ranges
		all := make(map[api.GroupSequence]bool)
		for range 30 {
			start := api.GroupSequence(rng.IntN(60))
			end := start + api.GroupSequence(rng.IntN(6))
			r.add(start, end)
			for n := start; n < end; n++ {
				all[n] = true
			}
		}
		for i, s := range r {
			if s.start >= s.end || i > 0 && s.start <= r[i-1].end {
				t.Fatalf("%v is not in order, or touches", r)
			}
		}
		missing := make(map[api.GroupSequence]bool)
		for _, hole := range r.missing(10, 50) {
			for n := hole.start; n < hole.end; n++ {
				missing[n] = true
			}
		}
		for n := range api.GroupSequence(70) {
			if r.has(n) != all[n] {
				t.Fatalf("%v has %d: %v", r, n, r.has(n))
			}
			if want := n >= 10 && n < 50 && !all[n]; missing[n] != want {
				t.Fatalf("%v misses %d: %v", r, n, missing[n])
			}
		}
	}
}

// TestRangesAreBounded puts in every second number.
func TestRangesAreBounded(t *testing.T) {
	var r ranges
	for n := range api.GroupSequence(3 * maxSpans) {
		r.add(2*n, 2*n+1)
	}
	if len(r) != maxSpans || !r.has(1) || r.has(6*maxSpans-3) {
		t.Errorf("%d spans from %v to %v", len(r), r[0], r[len(r)-1])
	}
}

// TestAccount tells a loss when its time has come, unless the group came
// meanwhile, and once.
func TestAccount(t *testing.T) {
	lost := errors.New("lost")
	var a account
	for _, n := range []api.GroupSequence{3, 4, 7, 9} {
		a.pass(n)
	}
	now := time.Unix(1000, 0)
	a.expectBelow(10, lost, now.Add(time.Second))
	if gaps := a.take(now, false); gaps != nil {
		t.Errorf("told %v too early", gaps)
	}
	a.pass(6)
	want := []api.Gap{{Start: 5, End: 6, Err: lost}, {Start: 8, End: 9, Err: lost}}
	if gaps := a.take(now.Add(time.Second), false); !slices.Equal(gaps, want) {
		t.Errorf("told %v, want %v", gaps, want)
	}
	if gaps := a.take(now.Add(time.Hour), true); gaps != nil {
		t.Errorf("told %v again", gaps)
	}
	if a.pass(5) || a.pass(6) || !a.pass(2) {
		t.Error("what is lost, or has come, comes again, or what is neither does not come")
	}
}

// TestAccountMergesNeighbours of one cause, and those alone.
func TestAccountMergesNeighbours(t *testing.T) {
	one, other := errors.New("one"), errors.New("other")
	var a account
	a.expect(5, 6, one, time.Time{})
	a.expect(3, 5, one, time.Time{})
	a.expect(6, 7, other, time.Time{})
	want := []api.Gap{{Start: 3, End: 6, Err: one}, {Start: 6, End: 7, Err: other}}
	if gaps := a.take(time.Unix(0, 0), false); !slices.Equal(gaps, want) {
		t.Errorf("told %v, want %v", gaps, want)
	}
}

// TestAccountIsBounded has nobody ask for the gaps.
func TestAccountIsBounded(t *testing.T) {
	lost := errors.New("lost")
	var a account
	const last = 10 * maxGaps
	for n := range api.GroupSequence(last) {
		a.pass(2 * n)
		a.expect(2*n+1, 2*n+2, lost, time.Unix(1<<40, 0))
	}
	if len(a.pending) > maxGaps || len(a.gaps) > maxGaps {
		t.Errorf("%d pending, %d gaps are held", len(a.pending), len(a.gaps))
	}
	gaps := a.take(time.Unix(0, 0), true)
	if gaps[0].Start != 1 || gaps[len(gaps)-1].End != 2*last {
		t.Errorf("told from %v to %v", gaps[0], gaps[len(gaps)-1])
	}
}

// TestAccountRestarts begins anew, but tells what was missing before.
func TestAccountRestarts(t *testing.T) {
	lost := errors.New("lost")
	var a account
	a.pass(10)
	a.expect(11, 13, lost, time.Unix(1<<40, 0))
	a.restart()
	if _, some := a.following(); some || !a.pass(10) {
		t.Error("the old numbers still count")
	}
	if gaps := a.take(time.Unix(0, 0), false); !slices.Equal(gaps, []api.Gap{{Start: 11, End: 13, Err: lost}}) {
		t.Errorf("told %v", gaps)
	}
}

// TestDatagramsCountAsNumbers but a track does not go on after them: a group
// with a lower number may still be under way.
func TestDatagramsCountAsNumbers(t *testing.T) {
	var a account
	a.pass(3)
	if !a.note(4) || a.note(4) || a.note(3) || a.pass(4) {
		t.Error("a number comes twice")
	}
	if next, some := a.following(); next != 4 || !some {
		t.Errorf("goes on at %d", next)
	}
}
