package walk

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seedFlag   = flag.Uint64("walk.seed", 1, "seed of the first world; the next ones follow")
	worldsFlag = flag.Int("walk.worlds", usualWorlds, "how many worlds")
	keepFlag   = flag.String("walk.keep", "", "run only these events of the script, as 0,3,4")
	reduceFlag = flag.Bool("walk.reduce", false, "look for the smallest part of the script that fails in the same way")
	notesFlag  = flag.Bool("walk.notes", false, "say of each world that fails what happened in it")
)

// TestWalk runs worlds, and fails for each in which something is wrong.
func TestWalk(t *testing.T) {
	found := make(map[kind]int)
	began := time.Now()
	failed := 0
	for i := range *worldsFlag {
		w := generate(*seedFlag + uint64(i))
		if *keepFlag != "" {
			w = w.only(indices(t, *keepFlag))
		}
		s := watched(t, w)
		if len(s.faults) == 0 {
			continue
		}
		failed++
		for _, k := range s.kinds() {
			found[k]++
		}
		t.Error(s.report())
		if *reduceFlag {
			for _, k := range s.kinds() {
				t.Log(reduce(t, w, k))
			}
		}
	}
	took := time.Since(began)
	t.Logf("%d worlds in %v, %.1f a second; %d failed", *worldsFlag, took.Round(time.Millisecond), float64(*worldsFlag)/took.Seconds(), failed)
	for _, k := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%-8s %d", k, found[k])
	}
}

// hangs is how long a world may take in real time: much longer than the 50 ms
// that it needs, since the machine may be busy with others.
const hangs = 5 * time.Minute

// watched plays a world, and ends the test if that takes too long: a goroutine
// does not stop, or waits while it holds a lock.
func watched(t *testing.T, w *world) *stage {
	timer := time.AfterFunc(hangs, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("the world of seed %d is not over after %v:\n%v\n%s", w.seed, hangs, w, buf[:runtime.Stack(buf, true)]))
	})
	defer timer.Stop()
	return play(t, w)
}

// report returns the script and what was wrong.
func (s *stage) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n%v", s.world.seed, s.world)
	for _, f := range s.faults {
		fmt.Fprintf(&b, "%v\n", f)
	}
	if *notesFlag {
		fmt.Fprintf(&b, "what happened:\n  %s\n", strings.Join(s.notes, "\n  "))
	}
	return b.String()
}

func indices(t *testing.T, list string) (kept []int) {
	for _, s := range strings.Split(list, ",") {
		i, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, i)
	}
	return kept
}
