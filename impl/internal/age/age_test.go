package age

import (
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

func TestRule(t *testing.T) {
	for _, test := range []struct {
		subscriber, publisher time.Duration
		scale                 uint64
		want                  Rule
	}{
		{0, 0, 0, Rule{1000, 5000}},
		{time.Second, 0, 0, Rule{1000, 1000}},
		{time.Minute, 0, 90_000, Rule{90_000, 450_000}},
		{time.Minute, 10 * time.Second, 1, Rule{1, 10}},
		{-1, time.Second, 0, Rule{1000, 0}},
		{time.Second, -1, 0, Rule{1000, 0}},
		{0, 1<<63 - 1, 1 << 60, Rule{1 << 60, 1 << 62}},
	} {
		if got := NewRule(test.subscriber, test.publisher, test.scale); got != test.want {
			t.Errorf("NewRule(%v, %v, %d) = %v, want %v", test.subscriber, test.publisher, test.scale, got, test.want)
		}
	}
}

// Each group is reported at the first frame at which the newest timestamp is the max age
// above the first one of the following group, and not before.
func TestGroupsAreTooOldByTheRule(t *testing.T) {
	const groups, frames, step, maxAge = 12, 10, 7, 210
	var o Groups[*group]
	o.SetRule(NewRule(maxAge*time.Millisecond, time.Hour, 1000))
	var open []*group
	first := make(map[api.GroupSequence]uint64)
	timestamp := uint64(1)
	for seq := range api.GroupSequence(groups) {
		g := &group{seq: seq}
		o.Add(g)
		open = append(open, g)
		first[seq] = timestamp
		for range frames {
			var old, want []api.GroupSequence
			if !o.GoesOn(&g.entry, timestamp) {
				old = sequences(o.Stamp(g, timestamp))
			}
			for _, g := range open {
				if next, known := first[g.seq+1]; known && timestamp-next >= maxAge {
					want = append(want, g.seq)
				}
			}
			if !slices.Equal(old, want) {
				t.Fatalf("at %d the groups %v are too old, want %v", timestamp, old, want)
			}
			for _, g := range open[:len(old)] {
				if !o.Remove(g) || o.Remove(g) {
					t.Fatalf("group %d was not taken out once", g.seq)
				}
			}
			open = open[len(old):]
			timestamp += step
		}
	}
	if len(open) == groups || o.Len() != len(open) || !slices.Equal(o.All(), open) {
		t.Errorf("%d groups are left, want %d", o.Len(), len(open))
	}
}

// A group without a following one is never too old.
func TestTheNewestGroupIsNeverTooOld(t *testing.T) {
	var o Groups[*group]
	o.SetRule(NewRule(-1, 0, 0))
	g := &group{seq: 3}
	o.Add(g)
	for timestamp := uint64(1); timestamp < 1<<40; timestamp *= 16 {
		if old := o.Stamp(g, timestamp); len(old) > 0 {
			t.Fatalf("at %d it is too old", timestamp)
		}
	}
	if !o.GoesOn(&g.entry, 1<<60) {
		t.Error("the only group is looked at all the same")
	}
}

// A frame costs no allocation.
func TestFramesAllocateNothing(t *testing.T) {
	var o Groups[*group]
	o.SetRule(NewRule(time.Hour, time.Hour, 0))
	before, g := &group{seq: 1}, &group{seq: 2}
	for _, g := range []*group{before, g} {
		o.Add(g)
		o.Stamp(g, 1)
	}
	timestamp := uint64(1)
	if n := testing.AllocsPerRun(100, func() {
		timestamp++
		if !o.GoesOn(&g.entry, timestamp) {
			o.Stamp(g, timestamp)
		}
		o.Stamp(g, timestamp)
	}); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
