package age

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A group stands for a group's writer.
type group struct {
	seq   api.GroupSequence
	entry Entry
}

func (g *group) Sequence() api.GroupSequence { return g.seq }
func (g *group) AgeEntry() *Entry            { return &g.entry }

// stamps are ways to choose the timestamp of a frame, given the time.
var stamps = map[string]func(rng *rand.Rand, now time.Duration) uint64{
	"stamped":   func(_ *rand.Rand, now time.Duration) uint64 { return 1 + uint64(now.Milliseconds()) },
	"unstamped": func(*rand.Rand, time.Duration) uint64 { return 0 },
	"some": func(rng *rand.Rand, now time.Duration) uint64 {
		return uint64(rng.IntN(2)) * (1 + uint64(now.Milliseconds()))
	},
	"running back": func(rng *rand.Rand, _ time.Duration) uint64 { return 1 + rng.Uint64N(300) },
}

// TestHorizonAgainstStamps compares groups for whose every frame Stamp is called with the
// same groups where it is only called if GoesOn returns false: the same groups become too
// old, at the same frames.
func TestHorizonAgainstStamps(t *testing.T) {
	for name, stamp := range stamps {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				synctest.Test(t, func(t *testing.T) {
					c := comparison{rng: rand.New(rand.NewPCG(seed, 1)), began: time.Now(), next: 10}
					c.setRule()
					for step := range 80 {
						if err := c.step(stamp); err != nil {
							t.Fatalf("seed %d, step %d: %v", seed, step, err)
						}
						synctest.Wait()
					}
				})
			}
		})
	}
}

// A comparison holds the two sets of groups that TestHorizonAgainstStamps compares.
type comparison struct {
	rng       *rand.Rand
	began     time.Time
	all, some Groups[*group]
	open      [][2]*group // each group in all and in some
	next      api.GroupSequence
}

func (c *comparison) setRule() {
	ages := []time.Duration{-1, 20 * time.Millisecond, 100 * time.Millisecond, 1500 * time.Millisecond, time.Hour}
	rule := NewRule(ages[c.rng.IntN(len(ages))], 2*time.Hour, 0)
	c.all.SetRule(rule)
	c.some.SetRule(rule)
}

// step performs a random action.
func (c *comparison) step(stamp func(*rand.Rand, time.Duration) uint64) error {
	switch n := c.rng.IntN(20); {
	case n < 3 && len(c.open) < 8 || len(c.open) == 0:
		c.add()
	case n < 4:
		c.remove(c.rng.IntN(len(c.open)))
	case n == 4 && c.rng.IntN(4) == 0:
		c.setRule()
	case n < 10:
		time.Sleep(time.Duration(1+c.rng.IntN(60)) * time.Millisecond)
	default:
		return c.frame(c.open[c.rng.IntN(len(c.open))], stamp(c.rng, time.Since(c.began)))
	}
	return nil
}

// add opens a group, often not the newest.
func (c *comparison) add() {
	seq := c.next
	if c.rng.IntN(3) == 0 {
		seq -= 1 + api.GroupSequence(c.rng.IntN(6))
	}
	if slices.ContainsFunc(c.open, func(g [2]*group) bool { return g[0].seq == seq }) {
		return
	}
	c.next = max(c.next, seq+1) + api.GroupSequence(c.rng.IntN(3))
	g := [2]*group{{seq: seq}, {seq: seq}}
	c.all.Add(g[0])
	c.some.Add(g[1])
	c.open = append(c.open, g)
}

func (c *comparison) remove(i int) {
	c.all.Remove(c.open[i][0])
	c.some.Remove(c.open[i][1])
	c.open = slices.Delete(c.open, i, i+1)
}

// frame writes a frame and removes the groups that are too old then.
func (c *comparison) frame(g [2]*group, timestamp uint64) error {
	want := sequences(c.all.Stamp(g[0], timestamp))
	var got []api.GroupSequence
	if !c.some.GoesOn(&g[1].entry, timestamp) {
		got = sequences(c.some.Stamp(g[1], timestamp))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the frame of %d at %d makes %v too old, want %v", g[0].seq, timestamp, got, want)
	}
	for _, seq := range want {
		c.remove(slices.IndexFunc(c.open, func(g [2]*group) bool { return g[0].seq == seq }))
	}
	return nil
}

func sequences(groups []*group) (seqs []api.GroupSequence) {
	for _, g := range groups {
		seqs = append(seqs, g.seq)
	}
	return seqs
}
