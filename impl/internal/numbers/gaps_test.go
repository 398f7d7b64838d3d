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

// Whatever is lost, in whatever order, is told once, and nothing else is.
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

// When nobody asks, the oldest gaps go, but not in silence, and none of the
// rest claims a group that came.
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
