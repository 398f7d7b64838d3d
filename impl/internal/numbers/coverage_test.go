package numbers

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// tracked is what a Coverage has to know, number by number.
type tracked struct {
	Coverage
	above               api.GroupSequence // one above the highest that has arrived
	arrived, gone, left [64]bool          // gone: in a gap that was taken
}

// take takes the gaps and checks that they have only numbers that may be in one.
func (m *tracked) take(t *testing.T, seed uint64) {
	t.Helper()
	for _, g := range m.TakeGaps() {
		for n := g.Start; n < g.End; n++ {
			if m.gone[n] || m.arrived[n] {
				t.Fatalf("seed %d: %d became a gap; arrived %v, gone %v", seed, n, m.arrived[n], m.gone[n])
			}
			m.gone[n], m.left[n] = true, false
		}
	}
}

// step does one thing at random, as a subscription would.
func (m *tracked) step(r *rand.Rand) {
	n := r.Uint64N(60)
	switch seq := api.GroupSequence(n); r.IntN(12) {
	case 0:
		m.Begin(seq)
	case 1:
		m.Drop(seq, seq+api.GroupSequence(r.IntN(4)), nil)
	case 2:
		m.Ask([]api.GroupSequence{0, api.GroupLatest, 5, seq}[r.IntN(4)], []api.GroupSequence{0, 50}[r.IntN(2)])
	case 3:
		if m.arrived[n] && !m.left[n] {
			m.arrived[n] = false
			m.Lose(seq, errors.New("lost"))
		}
	case 4:
		if m.from == api.GroupLatest && !m.Skipped() && m.arrived[n] {
			m.SkipTo(seq)
		}
	default:
		if !m.Arrive(seq) {
			return
		}
		m.arrived[n] = true
		m.above = max(m.above, seq+1)
		if m.Below(seq) {
			m.LeaveOut(seq)
			m.arrived[n], m.left[n] = false, true
		}
	}
}

// In whatever order things happen, no number becomes a gap twice or after it has arrived,
// none that has arrived or is in a gap is missing, and in the end none is missing at all.
func TestCoverage(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 0))
		var m tracked
		for range 80 {
			m.step(r)
			m.take(t, seed)
			for _, hole := range m.Missing() {
				for n := hole.Start; n < hole.End; n++ {
					if m.arrived[n] || m.gone[n] || m.left[n] {
						t.Fatalf("seed %d: %d is missing; arrived %v, gone %v, left %v", seed, n, m.arrived[n], m.gone[n], m.left[n])
					}
				}
			}
		}
		if n, some := m.Highest(); some != (m.above > 0) || some && n+1 != m.above {
			t.Fatalf("seed %d: the highest is %d, %v, want one below %d", seed, n, some, m.above)
		}
		m.End(60)
		from, known := m.firstAsked()
		m.DropMissing(nil)
		m.take(t, seed)
		if missing := m.Missing(); len(missing) != 0 {
			t.Fatalf("seed %d: %v are missing in the end", seed, missing)
		}
		if known && !m.Skipped() {
			to := api.GroupSequence(60)
			if m.to > 0 {
				to = min(to, m.to)
			}
			for n := from; n < to; n++ {
				if !m.arrived[n] && !m.gone[n] && !m.left[n] {
					t.Fatalf("seed %d: nothing is known of %d", seed, n)
				}
			}
		}
	}
}

// What is missing counts from the first number that was asked for, or else from the one
// that the publisher began with, or the lowest that came.
func TestCoverageBegins(t *testing.T) {
	var c Coverage
	c.Begin(4)
	c.Arrive(6)
	if got, want := c.Missing(), []Span{{4, 6}}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
	c.Arrive(2)
	if got, want := c.Missing(), []Span{{3, 6}}; !slices.Equal(got, want) {
		t.Errorf("missing %v after an earlier one, want %v", got, want)
	}
	c.Ask(1, 0)
	c.End(8)
	if got, want := c.Missing(), []Span{{1, 2}, {3, 6}, {7, 8}}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
}

// Groups that were left out for a newer one become gaps when they are asked for after all.
func TestCoverageLeftOut(t *testing.T) {
	var c Coverage
	c.Ask(api.GroupLatest, 0)
	for _, n := range []api.GroupSequence{3, 4, 7} {
		c.Arrive(n)
	}
	c.SkipTo(7)
	for _, n := range []api.GroupSequence{3, 4} {
		if !c.Below(n) {
			t.Errorf("%d is not below", n)
		}
		c.LeaveOut(n)
	}
	if n, ok := c.First(); n != 7 || !ok || len(c.Missing()) > 0 {
		t.Errorf("first %d, missing %v", n, c.Missing())
	}
	c.Ask(4, 0)
	gaps := c.TakeGaps()
	if len(gaps) != 1 || gaps[0].Start != 4 || gaps[0].End != 5 || api.ErrorCode(gaps[0].Err) != api.StreamOld {
		t.Errorf("gaps %v", gaps)
	}
	if got, want := c.Missing(), []Span{{5, 7}}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
}
