package redial

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestAccount: a loss is reported once, when its time has come, unless the
// group came before.
func TestAccount(t *testing.T) {
	lost := errors.New("lost")
	var a account
	for _, n := range []api.GroupSequence{3, 4, 7, 9} {
		a.noteGroup(n)
	}
	now := time.Unix(1000, 0)
	a.expectMissing(lost, now.Add(time.Second))
	if gaps := a.takeGaps(now); gaps != nil {
		t.Errorf("told %v too early", gaps)
	}
	a.noteGroup(6)
	want := []api.Gap{{Start: 5, End: 6, Err: lost}, {Start: 8, End: 9, Err: lost}}
	if gaps := a.takeGaps(now.Add(time.Second)); !slices.Equal(gaps, want) {
		t.Errorf("told %v, want %v", gaps, want)
	}
	if gaps := a.takeGaps(now.Add(time.Hour)); gaps != nil {
		t.Errorf("told %v again", gaps)
	}
	if a.noteGroup(5) || a.noteGroup(6) || !a.noteGroup(2) {
		t.Error("what is lost, or has come, comes again, or what is neither does not come")
	}
}

// TestAccountMergesNeighbours with the same error, and only those.
func TestAccountMergesNeighbours(t *testing.T) {
	one, other := errors.New("one"), errors.New("other")
	var a account
	a.expectGap(5, 6, one, time.Time{})
	a.expectGap(3, 5, one, time.Time{})
	a.expectGap(6, 7, other, time.Time{})
	want := []api.Gap{{Start: 3, End: 6, Err: one}, {Start: 6, End: 7, Err: other}}
	if gaps := a.takeGaps(time.Unix(0, 0)); !slices.Equal(gaps, want) {
		t.Errorf("told %v, want %v", gaps, want)
	}
}

// TestAccountIsBounded: nobody asks for the gaps of a track that loses every
// second group. The gap that stands for them covers no group that came, and
// none that may still come.
func TestAccountIsBounded(t *testing.T) {
	lost := errors.New("lost")
	var a account
	const last = 20_000
	for n := range api.GroupSequence(last) {
		if !a.noteGroup(2 * n) {
			t.Fatalf("group %d is refused", 2*n)
		}
		a.expectGap(2*n+1, 2*n+2, lost, time.Unix(1<<40, 0))
	}
	if len(a.pending) > maxPending || len(a.seen.Spans()) > 5000 || len(a.gaps.All()) > 5000 {
		t.Errorf("%d pending, %d spans, %d gaps are held", len(a.pending), len(a.seen.Spans()), len(a.gaps.All()))
	}
	gaps := a.takeGaps(time.Unix(0, 0))
	if len(gaps) == 0 {
		t.Fatal("no gaps are told")
	}
	for _, g := range gaps {
		if g.Start != g.End && (g.End != g.Start+1 || g.Start%2 != 1) {
			t.Fatalf("the gap %v covers groups that came", g)
		}
		if g.Start != g.End && a.noteGroup(g.Start) {
			t.Fatalf("group %d comes although it was told as lost", g.Start)
		}
	}
	for n := gaps[len(gaps)-1].End; n < 2*last; n++ {
		if n%2 == 1 && !a.noteGroup(n) {
			t.Fatalf("group %d is refused, and was not told as lost", n)
		}
	}
}

// TestHolesAreBounded: groups come so much out of order that not all missing
// ones can be remembered. A range that is given up is reported as lost, and no
// other.
func TestHolesAreBounded(t *testing.T) {
	var a account
	const last = 6000
	for n := range api.GroupSequence(last) {
		a.noteGroup(2 * n)
	}
	told := make(map[api.GroupSequence]bool)
	for _, g := range a.takeGaps(time.Unix(0, 0)) {
		for n := g.Start; n < g.End; n++ {
			told[n] = true
		}
	}
	if len(told) == 0 || len(told) == last {
		t.Errorf("%d groups are told as lost", len(told))
	}
	for n := api.GroupSequence(1); n < 2*last; n += 2 {
		if a.seen.Has(n) != told[n] {
			t.Fatalf("group %d is refused: %v, and told as lost: %v", n, a.seen.Has(n), told[n])
		}
	}
}

// TestAccountEnds: groups that were expected are reported as lost, and refused
// from then on.
func TestAccountEnds(t *testing.T) {
	lost, over := errors.New("lost"), errors.New("over")
	var a account
	a.noteGroup(10)
	a.noteGroup(15) // 13 and 14 are under way
	a.expectGap(11, 13, lost, time.Unix(1<<40, 0))
	a.loseRest(over)
	want := []api.Gap{{Start: 11, End: 13, Err: lost}, {Start: 13, End: 15, Err: over}}
	if gaps := a.takeGaps(time.Unix(0, 0)); !slices.Equal(gaps, want) {
		t.Errorf("told %v, want %v", gaps, want)
	}
	if a.noteGroup(12) || a.noteGroup(14) {
		t.Error("what was told as lost comes")
	}
}

// TestPassedOnInVain: a group that its reader did not get is reported as lost.
func TestPassedOnInVain(t *testing.T) {
	cut := errors.New("cut off")
	var a account
	a.noteGroup(3)
	a.noteGroup(4)
	a.revokeGroup(4, cut)
	if gaps := a.takeGaps(time.Unix(0, 0)); !slices.Equal(gaps, []api.Gap{{Start: 4, End: 5, Err: cut}}) {
		t.Errorf("told %v", gaps)
	}
	if a.noteGroup(4) {
		t.Error("it comes after it was told as lost")
	}
}

// TestDatagramsCountAsNumbers, but a track does not continue after them: a
// group with a lower number may still be on the way.
func TestDatagramsCountAsNumbers(t *testing.T) {
	var a account
	a.noteGroup(3)
	if !a.noteNumber(4) || a.noteNumber(4) || a.noteNumber(3) || a.noteGroup(4) {
		t.Error("a number comes twice")
	}
	if next, some := a.nextSequence(); next != 4 || !some {
		t.Errorf("goes on at %d", next)
	}
}
