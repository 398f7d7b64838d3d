package numbers

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
)

var (
	errOld     = &api.StreamError{Code: api.StreamOld}
	errEvicted = &api.StreamError{Code: api.StreamEvicted, Remote: true}
)

// All lost numbers, lost in any order, are reported once, and no others are.
func TestGapsTellWhatWasLost(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	causes := []error{nil, errOld, errEvicted}
	for range 300 {
		lost := make(map[api.GroupSequence]error)
		var l Gaps
		for range 40 {
			seq := api.GroupSequence(rng.IntN(60))
			if _, was := lost[seq]; was {
				continue
			}
			cause := causes[rng.IntN(len(causes))]
			lost[seq] = cause
			l.Add(api.Gap{Start: seq, End: seq + 1, Err: cause})
		}
		gaps := l.Take()
		for i, g := range gaps {
			if i > 0 && (gaps[i-1].End > g.Start || gaps[i-1].End == g.Start && sameCause(gaps[i-1].Err, g.Err)) {
				t.Fatalf("%v is not in order, or not merged", gaps)
			}
			for seq := g.Start; seq < g.End; seq++ {
				if cause, was := lost[seq]; !was || !sameCause(cause, g.Err) {
					t.Fatalf("%v claims %d", gaps, seq)
				}
				delete(lost, seq)
			}
		}
		if len(lost) > 0 {
			t.Fatalf("%v leaves out %v", gaps, lost)
		}
		if again := l.Take(); len(again) > 0 {
			t.Fatalf("told twice: %v", again)
		}
	}
}

// Lose reports only numbers that are not known, and they are known from then on.
func TestLose(t *testing.T) {
	var known Set
	var l Gaps
	known.AddSpan(3, 5)
	known.Add(7)
	l.Lose(&known, api.Gap{Start: 2, End: 9, Err: errOld})
	l.Lose(&known, api.Gap{Start: 0, End: 9, Err: errEvicted})
	l.Lose(&known, api.Gap{Start: 9, End: 9, Err: errEvicted})
	want := []api.Gap{
		{Start: 0, End: 2, Err: errEvicted}, {Start: 2, End: 3, Err: errOld},
		{Start: 5, End: 7, Err: errOld}, {Start: 8, End: 9, Err: errOld},
	}
	if gaps := l.Take(); !slices.Equal(gaps, want) {
		t.Errorf("gaps %v, want %v", gaps, want)
	}
	if got := known.Spans(); !slices.Equal(got, []Span{{0, 9}}) {
		t.Errorf("known are %v, want all below 9", got)
	}
}

// Causes with the same text are the same, even if they are different errors.
func TestSameCauseIsMerged(t *testing.T) {
	var l Gaps
	for i, err := range []error{
		&api.StreamError{Code: api.StreamOld}, &api.StreamError{Code: api.StreamOld},
		&api.StreamError{Code: api.StreamOld, Remote: true}, &api.StreamError{Code: api.StreamEvicted, Remote: true},
		errors.New("lost"), errors.New("lost"), nil, nil,
	} {
		l.Add(api.Gap{Start: api.GroupSequence(i), End: api.GroupSequence(i) + 1, Err: err})
	}
	var got []Span
	for _, g := range l.Take() {
		got = append(got, Span{g.Start, g.End})
	}
	if want := []Span{{0, 2}, {2, 3}, {3, 4}, {4, 6}, {6, 8}}; !slices.Equal(got, want) {
		t.Errorf("gaps %v, want %v", got, want)
	}
}

// If nobody takes the gaps, the oldest are forgotten and counted, and none of the rest
// has a number that has arrived.
func TestGapsForget(t *testing.T) {
	var l Gaps
	for i := range api.GroupSequence(maxGaps + 3) {
		l.Add(api.Gap{Start: 10 * i, End: 10*i + 2, Err: errOld})
	}
	gaps := l.Take()
	if len(gaps) != maxGaps+1 {
		t.Fatalf("%d gaps, want %d and one that tells of the rest", len(gaps), maxGaps)
	}
	first := gaps[0]
	if first.Start != 0 || first.End != 0 || !errors.Is(first.Err, api.ErrTooFarBehind) || !strings.Contains(first.Err.Error(), "6 more groups") {
		t.Errorf("the first is %v, want an empty one that tells of 6 groups", first)
	}
	for i, g := range gaps[1:] {
		if want := api.GroupSequence(10 * (i + 3)); g.Start != want || g.End != want+2 {
			t.Fatalf("gap %v, want [%d, %d)", g, want, want+2)
		}
	}
	l.Add(api.Gap{Start: 7, End: 8})
	if again := l.Take(); !slices.Equal(again, []api.Gap{{Start: 7, End: 8}}) {
		t.Errorf("then %v", again)
	}
}
