package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// collectNewest iterates over a track, a second a group, and returns what came, a
// line each.
func collectNewest(ctx context.Context, r api.TrackReader) (lines []string) {
	for g, err := range api.Newest(ctx, r) {
		line := fmt.Sprint(err)
		if err == nil {
			line = read(g)
		}
		lines = append(lines, line)
		time.Sleep(time.Second)
	}
	return lines
}

// TestNewestOfThoseThatWait: while the loop is busy with one, three come.
func TestNewestOfThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		passed := []api.GroupReader{numbered(3), numbered(1)}
		f.add(numbered(0))
		at(500*time.Millisecond, func() { f.add(passed[0], numbered(4), passed[1]) })
		at(1500*time.Millisecond, func() { f.end(io.EOF) })
		expectLines(t, collectNewest(t.Context(), f), "0 a,0 b", "4 a,4 b")
		for _, g := range passed {
			if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrClosed) {
				t.Errorf("group %d, which was passed over, is not cancelled: %v", g.Sequence(), err)
			}
		}
	})
}

// TestNewestLeavesOutLateOnes, and yields one that comes again.
func TestNewestLeavesOutLateOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		for i, seq := range []api.GroupSequence{5, 4, 5, 6} {
			at(time.Duration(2*i)*time.Second, func() { f.add(numbered(seq)) })
		}
		at(10*time.Second, func() { f.end(io.EOF) })
		expectLines(t, collectNewest(t.Context(), f), "5 a,5 b", "5 a,5 b", "6 a,6 b")
	})
}

// TestNewestOfEachPublisher: numbers begin anew.
func TestNewestOfEachPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(numbered(8), numbered(9))
		f.end(&api.RestartError{Before: 1, After: 2, Err: io.ErrUnexpectedEOF})
		at(1500*time.Millisecond, func() { f.add(numbered(0)) })
		at(2500*time.Millisecond, func() { f.add(numbered(1)); f.end(&api.StreamError{Code: api.StreamInternal}) })
		expectLines(t, collectNewest(t.Context(), f),
			"9 a,9 b",
			"the track was restarted: it comes from another origin (unexpected EOF)",
			"0 a,0 b", "1 a,1 b",
			fmt.Sprint(&api.StreamError{Code: api.StreamInternal}))
	})
}

// TestNewestEndsWithItsContext, though groups have arrived.
func TestNewestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		f := newFeed()
		f.add(numbered(0))
		at(400*time.Millisecond, func() { f.add(numbered(1), numbered(2)) })
		expectLines(t, collectNewest(ctx, f), "0 a,0 b", "2 a,2 b", context.DeadlineExceeded.Error())
	})
}

// TestNewestIsLeft: what has come by then stays the track's.
func TestNewestIsLeft(t *testing.T) {
	f := newFeed()
	f.add(numbered(0))
	for range api.Newest(t.Context(), f) {
		f.add(numbered(1))
		break
	}
	if g, err := f.AcceptGroup(t.Context()); err != nil || g.Sequence() != 1 {
		t.Errorf("%v, %v", g, err)
	}
}
