package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestOrderedModel compares random tracks with what must come: each number once,
// as its group or in a loss; a group in time is not lost, and nothing is waited
// for longer than allowed.
func TestOrderedModel(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { orderedModel(t, seed) })
	}
}

func orderedModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	const groups, patience = 60, 100 * time.Millisecond
	f := newFeed()
	c := &api.OrderedConfig{From: 10, Patience: patience}
	fetches := rnd.IntN(2) == 0
	comes := make(map[api.GroupSequence]time.Duration) // of those that come, or that can be fetched
	fetchable := make(map[api.GroupSequence]bool)
	var last time.Duration
	for i := range api.GroupSequence(groups) {
		seq := 10 + i
		when := time.Duration(i)*10*time.Millisecond + time.Duration(rnd.IntN(150))*time.Millisecond
		switch rnd.IntN(10) {
		case 0: // nothing comes, and nothing is told
		case 1:
			at(when, func() { f.lose(seq, seq+1, nil) })
		case 2:
			fetchable[seq] = fetches
		default:
			comes[seq] = when
			at(when, func() { f.add(numbered(seq)) })
		}
		last = max(last, when)
	}
	at(last+time.Second, func() { f.end(io.EOF) })
	if fetches {
		c.Fetch = func(_ context.Context, seq api.GroupSequence) (api.GroupReader, error) {
			time.Sleep(time.Duration(seq%5) * time.Millisecond)
			if !fetchable[seq] {
				return nil, api.ErrNotFound
			}
			return numbered(seq), nil
		}
	}
	// A group is missing from when the first later one has come.
	missing := func(seq api.GroupSequence) time.Duration {
		first := time.Hour
		for later, when := range comes {
			if later > seq {
				first = min(first, when)
			}
		}
		return first
	}
	began, next := time.Now(), api.GroupSequence(10)
	for g, err := range api.Ordered(t.Context(), f, c) {
		now := time.Since(began)
		if gap, lost := errors.AsType[*api.GapError](err); lost {
			if gap.Start != next || gap.End <= gap.Start {
				t.Fatalf("seed %d: %v, and next is %d", seed, err, next)
			}
			for ; next < gap.End; next++ {
				if when, came := comes[next]; fetchable[next] || came && when < missing(next)+patience {
					t.Errorf("seed %d, %v: group %d is lost, came after %v", seed, now, next, when)
				}
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		seq := g.Sequence()
		if want := fmt.Sprint(seq, " a,", seq, " b"); seq != next || read(g) != want {
			t.Fatalf("seed %d, %v: group %d, and next is %d", seed, now, seq, next)
		}
		// Eight are fetched at once, of which each takes 4 ms at most.
		if when, came := comes[seq]; came && now > max(when, missing(seq-1)+patience)+patience+groups*4*time.Millisecond {
			t.Errorf("seed %d: group %d of %v is yielded at %v", seed, seq, when, now)
		}
		next++
	}
	for seq := range comes {
		if seq >= next {
			t.Errorf("seed %d: group %d is missing at the end", seed, seq)
		}
	}
}
