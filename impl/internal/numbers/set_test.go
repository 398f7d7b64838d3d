package numbers

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// model is the same set as a map.
type model map[api.GroupSequence]bool

func (m model) missing(start, end api.GroupSequence) []Span {
	var out []Span
	for seq := start; seq < end; seq++ {
		switch {
		case m[seq]:
		case len(out) > 0 && out[len(out)-1].End == seq:
			out[len(out)-1].End++
		default:
			out = append(out, Span{seq, seq + 1})
		}
	}
	return out
}

func (m model) set(start, end api.GroupSequence, in bool) {
	for seq := start; seq < end; seq++ {
		m[seq] = in
	}
}

func TestSetAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s Set
		m := model{}
		for range 60 {
			seq := api.GroupSequence(rng.IntN(40))
			end := seq + api.GroupSequence(rng.IntN(10))
			switch rng.IntN(6) {
			case 0:
				s.AddSpan(seq, end)
				m.set(seq, end, true)
			case 1:
				s.RemoveSpan(seq, end)
				m.set(seq, end, false)
			default:
				if fresh := s.Add(seq); fresh == m[seq] {
					t.Fatalf("Add(%d) = %v with %v", seq, fresh, s.spans)
				}
				m[seq] = true
			}
			if got, want := s.Missing(3, 45), m.missing(3, 45); !slices.Equal(got, want) {
				t.Fatalf("missing = %v, want %v of %v", got, want, s.spans)
			}
			if s.Has(seq) != m[seq] {
				t.Fatalf("Has(%d) = %v of %v", seq, s.Has(seq), s.spans)
			}
			hole, ok := s.Hole(seq)
			if want := s.Missing(seq, 100); ok != (len(want) > 1) || ok && hole != want[0] {
				t.Fatalf("Hole(%d) = %v, %v of %v", seq, hole, ok, s.spans)
			}
			for i := 1; i < len(s.spans); i++ {
				if s.spans[i-1].End >= s.spans[i].Start {
					t.Fatalf("spans touch: %v", s.spans)
				}
			}
		}
	}
}

func TestSqueeze(t *testing.T) {
	var s Set
	for i := range api.GroupSequence(maxHoles) {
		s.Add(2 * i)
	}
	if _, ok := s.Squeeze(); ok {
		t.Fatal("squeezed a set that is small enough")
	}
	s.Add(2 * maxHoles)
	if hole, ok := s.Squeeze(); !ok || hole != (Span{1, 2}) {
		t.Fatalf("Squeeze = %v, %v; want the oldest hole", hole, ok)
	}
	if _, ok := s.Squeeze(); ok {
		t.Fatal("squeezed twice")
	}
}
