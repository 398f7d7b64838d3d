package walk

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// tries is how often a smaller script is run before it counts as correct: the
// script does not determine which of two things comes first.
const tries = 4

// reduce leaves out events of a world as long as it still fails in the same
// way, and returns the rest.
func reduce(t *testing.T, w *world, k kind) string {
	kept := make([]int, len(w.events))
	for i := range kept {
		kept[i] = i
	}
	var last *stage
	for size := len(kept) / 2; size > 0; {
		smaller := false
		for at := len(kept) - size; at >= 0; at -= size {
			fewer := slices.Delete(slices.Clone(kept), at, at+size)
			if s := fails(t, w.only(fewer), k); s != nil {
				kept, last, smaller = fewer, s, true
				at = min(at, len(kept))
			}
		}
		if !smaller || size > len(kept)/2 {
			size /= 2
		}
	}
	if last == nil {
		return fmt.Sprintf("seed %d, %s: not to be reduced", w.seed, k)
	}
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(kept), " ", ","), "[]")
	return fmt.Sprintf("REDUCED %s: -walk.seed %d -walk.worlds 1 -walk.keep %s\n%s", k, w.seed, list, last.report())
}

// fails returns a run of w that failed in this way, or nil.
func fails(t *testing.T, w *world, k kind) *stage {
	for range tries {
		if s := watched(t, w); slices.Contains(s.kinds(), k) {
			return s
		}
	}
	return nil
}
