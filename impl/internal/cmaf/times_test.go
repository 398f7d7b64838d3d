package cmaf_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// Times do not drift: over days, each is the nearest nanosecond, and the same
// number when it is converted back.
func TestTimes(t *testing.T) {
	for _, c := range []struct{ timescale, step int64 }{{90000, 3003}, {44100, 1024}, {48000, 960}, {15360, 1024}, {1000000, 33333}, {1, 1}, {499999999, 9999991}} {
		for i := range int64(100000) {
			ticks := i * c.step * 100 // the last are days away
			d, ok := cmaf.ToDuration(ticks, uint32(c.timescale))
			if !ok {
				t.Fatalf("%d ticks at %d are out of range", ticks, c.timescale)
			}
			whole, rest := ticks/c.timescale, ticks%c.timescale
			want := time.Duration(whole)*time.Second + time.Duration((rest*1e9+c.timescale/2)/c.timescale)
			if d != want {
				t.Fatalf("%d ticks at %d are %v; expected %v", ticks, c.timescale, d, want)
			}
			if back := cmaf.ToTicks(d, uint32(c.timescale)); back != ticks {
				t.Fatalf("%d ticks at %d come back as %d", ticks, c.timescale, back)
			}
			if minus, _ := cmaf.ToDuration(-ticks, uint32(c.timescale)); minus != -d {
				t.Fatalf("%d ticks at %d are %v, and %v below 0", ticks, c.timescale, d, minus)
			}
		}
	}
}

func TestTimesOutOfRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		ticks, scale := rng.Int64(), max(rng.Uint32()>>rng.IntN(32), 1)
		d, ok := cmaf.ToDuration(ticks, scale)
		seconds := float64(ticks) / float64(scale)
		if far := seconds > math.MaxInt64/1e9; far == ok && math.Abs(seconds-math.MaxInt64/1e9) > 1 {
			t.Fatalf("%d ticks at %d are %v, %v", ticks, scale, d, ok)
		}
	}
	if got := cmaf.ToTicks(math.MaxInt64, math.MaxUint32); got != math.MaxInt64 {
		t.Errorf("the longest time has %d ticks", got)
	}
	if got := cmaf.ToTicks(math.MinInt64, math.MaxUint32); got != math.MinInt64 {
		t.Errorf("the shortest time has %d ticks", got)
	}
}
