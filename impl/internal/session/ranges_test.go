package session

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// model is the same set as a map.
type model map[api.GroupSequence]bool

func (m model) missing(start, end api.GroupSequence) []span {
	var out []span
	for seq := start; seq < end; seq++ {
		switch {
		case m[seq]:
		case len(out) > 0 && out[len(out)-1].end == seq:
			out[len(out)-1].end++
		default:
			out = append(out, span{seq, seq + 1})
		}
	}
	return out
}

func TestRangesAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var r ranges
		m := model{}
		for range 60 {
			seq := api.GroupSequence(rng.IntN(40))
			if rng.IntN(4) == 0 {
				end := seq + api.GroupSequence(rng.IntN(10))
				r.addSpan(seq, end)
				for ; seq < end; seq++ {
					m[seq] = true
				}
			} else if fresh := r.add(seq); fresh == m[seq] {
				t.Fatalf("add(%d) = %v with %v", seq, fresh, r.spans)
			} else {
				m[seq] = true
			}
			if got, want := r.missing(3, 45), m.missing(3, 45); !slices.Equal(got, want) {
				t.Fatalf("missing = %v, want %v of %v", got, want, r.spans)
			}
			for i := 1; i < len(r.spans); i++ {
				if r.spans[i-1].end >= r.spans[i].start {
					t.Fatalf("spans touch: %v", r.spans)
				}
			}
		}
	}
}

func TestRangesSqueeze(t *testing.T) {
	var r ranges
	for i := range api.GroupSequence(maxRanges) {
		r.add(2 * i)
	}
	if _, ok := r.squeeze(); ok {
		t.Fatal("squeezed a set that is small enough")
	}
	r.add(2 * maxRanges)
	if hole, ok := r.squeeze(); !ok || hole != (span{1, 2}) {
		t.Fatalf("squeeze = %v, %v; want the oldest hole", hole, ok)
	}
	if _, ok := r.squeeze(); ok {
		t.Fatal("squeezed twice")
	}
}
