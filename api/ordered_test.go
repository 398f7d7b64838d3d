package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// A feed is a track whose groups and losses a test gives it while it is read.
type feed struct {
	api.TrackReader // nil: nothing else is called

	mu     sync.Mutex
	groups []api.GroupReader
	gaps   []api.Gap
	ends   []error // in order; a restart is returned once
	ready  chan struct{}
}

func newFeed() *feed { return &feed{ready: make(chan struct{}, 1)} }

func (f *feed) change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *feed) add(groups ...api.GroupReader) {
	f.change(func() { f.groups = append(f.groups, groups...) })
}

func (f *feed) lose(start, end api.GroupSequence, why error) {
	f.change(func() { f.gaps = append(f.gaps, api.Gap{Start: start, End: end, Err: why}) })
}

func (f *feed) end(err error) { f.change(func() { f.ends = append(f.ends, err) }) }

func (f *feed) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	for {
		f.mu.Lock()
		var g api.GroupReader
		var err error
		switch {
		case len(f.groups) > 0:
			g, f.groups = f.groups[0], f.groups[1:]
		case len(f.ends) > 0:
			if err = f.ends[0]; errors.Is(err, api.ErrRestarted) {
				f.ends = f.ends[1:]
			}
		}
		f.mu.Unlock()
		if g != nil || err != nil {
			return g, err
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *feed) Gaps() (gaps []api.Gap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gaps, f.gaps = f.gaps, nil
	return gaps
}

// numbered returns a group whose frames name it.
func numbered(seq api.GroupSequence) api.GroupReader {
	return apitest.Group(seq, nil, apitest.Frames(fmt.Sprint(seq, " a"), fmt.Sprint(seq, " b"))...)
}

// read reads a group to its end.
func read(g api.GroupReader) string {
	var texts []string
	for f, err := range api.Frames(context.Background(), g, nil) {
		if err != nil {
			return strings.Join(append(texts, err.Error()), ",")
		}
		texts = append(texts, string(f.Payload))
	}
	return strings.Join(texts, ",")
}

// collect iterates over a track, and returns what came, a line each, with the
// time since it began.
func collect(ctx context.Context, r api.TrackReader, c *api.OrderedConfig) (lines []string) {
	began := time.Now()
	for g, err := range api.Ordered(ctx, r, c) {
		line := fmt.Sprint(err)
		if err == nil {
			line = read(g)
		}
		lines = append(lines, fmt.Sprint(time.Since(began), ": ", line))
	}
	return lines
}

func expectLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// at calls f after d.
func at(d time.Duration, f func()) { time.AfterFunc(d, f) }

// TestOrderedBacklog: ten groups that were written at once come newest first.
func TestOrderedBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		for seq := range api.GroupSequence(4) {
			f.add(numbered(3 - seq))
		}
		f.end(io.EOF)
		expectLines(t, collect(t.Context(), f, nil), "0s: 0 a,0 b", "0s: 1 a,1 b", "0s: 2 a,2 b", "0s: 3 a,3 b")
	})
}

// TestOrderedPassesOn what is in order as it is.
func TestOrderedPassesOn(t *testing.T) {
	f := newFeed()
	sent := []api.GroupReader{numbered(0), numbered(1), numbered(2)}
	f.add(sent...)
	f.end(io.EOF)
	for g, err := range api.Ordered(t.Context(), f, nil) {
		if err != nil || g != sent[0] {
			t.Errorf("%v, %v", g, err)
		}
		sent = sent[1:]
	}
	if len(sent) > 0 {
		t.Errorf("%d are missing", len(sent))
	}
}

// TestOrderedFrom begins where it was told, or at the lowest that comes within
// Patience.
func TestOrderedFrom(t *testing.T) {
	for from, want := range map[api.GroupSequence][]string{
		0: {"1s: 5 a,5 b", "1s: 6 a,6 b", "1s: 7 a,7 b", "2s: 8 a,8 b"},
		4: {"1s: group 4 is lost", "1s: 5 a,5 b", "1s: 6 a,6 b", "1s: 7 a,7 b", "2s: 8 a,8 b"},
		6: {"0s: 6 a,6 b", "0s: 7 a,7 b", "2s: 8 a,8 b"},
		8: {"2s: 8 a,8 b"},
	} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed()
				f.add(numbered(7), numbered(6))
				at(900*time.Millisecond, func() { f.add(numbered(5)) })
				at(2*time.Second, func() {
					f.add(numbered(3)) // too late
					f.add(numbered(8))
					f.end(io.EOF)
				})
				expectLines(t, collect(t.Context(), f, &api.OrderedConfig{From: from}), want...)
			})
		})
	}
}

// TestOrderedLoss: what is missing is waited for, unless r knows better.
func TestOrderedLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		old := &api.StreamError{Code: api.StreamOld, Remote: true}
		f.add(numbered(0), numbered(3), numbered(8), numbered(6))
		at(110*time.Millisecond, func() { f.lose(1, 2, old) })
		at(800*time.Millisecond, func() { f.add(numbered(2)) })
		at(900*time.Millisecond, func() { f.lose(5, 6, nil) })
		at(1500*time.Millisecond, func() { f.add(numbered(4), numbered(10)) }) // 4 is too late
		at(2000*time.Millisecond, func() { f.lose(11, 13, old); f.end(io.EOF) })
		expectLines(t, collect(t.Context(), f, nil),
			"0s: 0 a,0 b",
			"120ms: group 1 is lost: reset by the peer: too old",
			"800ms: 2 a,2 b", "800ms: 3 a,3 b",
			"1s: group 4 is lost",
			"1s: group 5 is lost", "1s: 6 a,6 b", "1s: group 7 is lost", "1s: 8 a,8 b",
			"2s: group 9 is lost", "2s: 10 a,10 b",
			"2s: groups 11 to 12 are lost: reset by the peer: too old")
	})
}

// TestOrderedBounds: no more than Window groups and Bytes bytes wait for one
// that is missing.
func TestOrderedBounds(t *testing.T) {
	big := func(seq api.GroupSequence) api.GroupReader {
		return apitest.Group(seq, nil, api.Frame{Payload: make([]byte, 1000)}, api.Frame{Payload: make([]byte, 1000)})
	}
	for name, c := range map[string]*api.OrderedConfig{
		"window": {From: 1, Window: 3},
		"bytes":  {From: 1, Bytes: 5500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed()
				for seq := range api.GroupSequence(6) {
					at(time.Duration(seq)*100*time.Millisecond, func() { f.add(big(seq + 2)) })
				}
				began := time.Now()
				next := api.GroupSequence(2)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for g, err := range api.Ordered(ctx, f, c) {
					if gap, lost := errors.AsType[*api.GapError](err); lost {
						if gap.Start != 1 || gap.End != 2 || time.Since(began) != 200*time.Millisecond {
							t.Errorf("after %v: %v", time.Since(began), err)
						}
						continue
					}
					if err != nil {
						break
					}
					if n := len(read(g)); g.Sequence() != next || n != 2001 {
						t.Errorf("group %d of %d bytes", g.Sequence(), n)
					}
					if next++; next == 8 {
						cancel()
					}
				}
				if next != 8 {
					t.Errorf("it ends before %d", next)
				}
			})
		})
	}
}

// TestOrderedLargeFrame does not fit among what may be held: it is streamed when
// its group is taken.
func TestOrderedLargeFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stream := range []bool{true, false} {
			f := newFeed()
			f.add(apitest.Group(1, nil, api.Frame{Timestamp: 7, Payload: make([]byte, 2000)}, api.Frame{Timestamp: 8}))
			at(time.Minute, func() { f.end(io.EOF) })
			for g, err := range api.Ordered(t.Context(), f, &api.OrderedConfig{From: 0, Bytes: 1000}) {
				if err != nil {
					t.Fatal(err)
				}
				if !stream {
					if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrFrameTooLarge) {
						t.Error(err)
					}
					continue
				}
				h, payload, err := g.NextFrame()
				if err != nil || h.Timestamp != 7 {
					t.Fatal(h, err)
				}
				if n, err := io.Copy(io.Discard, payload); n != 2000 || err != nil {
					t.Error(n, err)
				}
				if h, _, err = g.NextFrame(); err != nil || h.Timestamp != 8 {
					t.Error(h, err)
				}
				if _, _, err = g.NextFrame(); err != io.EOF {
					t.Error(err)
				}
			}
		}
	})
}

// TestOrderedRestart yields what came before a restart, and begins anew.
func TestOrderedRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(numbered(5), numbered(8))
		f.end(&api.RestartError{Before: 1, After: 1, Err: io.ErrClosedPipe})
		at(time.Second, func() { f.add(numbered(1), numbered(0)); f.end(api.ErrSessionClosed) })
		var asked []api.GroupSequence
		expectLines(t, collect(t.Context(), f, &api.OrderedConfig{From: 5, Fetch: func(_ context.Context, seq api.GroupSequence) (api.GroupReader, error) {
			asked = append(asked, seq)
			return nil, api.ErrNotFound
		}}),
			"0s: 5 a,5 b", "0s: groups 6 to 7 are lost", "0s: 8 a,8 b",
			"0s: the track was restarted by the same origin (io: read/write on closed pipe)",
			"1s: 0 a,0 b", "1s: 1 a,1 b", "1s: session closed")
		if len(asked) > 0 {
			t.Errorf("it asks for %v, which may be groups of the new numbers", asked)
		}
	})
}

// TestOrderedFetch asks for what would be lost, and for nothing else.
func TestOrderedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(numbered(0), numbered(2), numbered(9))
		at(500*time.Millisecond, func() { f.add(numbered(1)) }) // by itself
		at(610*time.Millisecond, func() { f.lose(3, 4, nil) })
		at(4*time.Second, func() { f.lose(10, 11, nil); f.end(io.EOF) })
		expectLines(t, collect(t.Context(), f, &api.OrderedConfig{Fetch: func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
			switch seq {
			case 5: // never answers
				<-ctx.Done()
				return nil, context.Cause(ctx)
			case 6, 7:
				time.Sleep(200 * time.Millisecond)
				return nil, fmt.Errorf("fetch %d: %w", seq, api.ErrNotFound)
			default:
				time.Sleep(300 * time.Millisecond)
				return numbered(seq), nil
			}
		}}),
			"0s: 0 a,0 b", "500ms: 1 a,1 b", "500ms: 2 a,2 b", "920ms: 3 a,3 b",
			"1.3s: 4 a,4 b",
			"2s: group 5 is lost: context deadline exceeded",
			"2s: groups 6 to 7 are lost: fetch 6: not found",
			"2s: 8 a,8 b", "2s: 9 a,9 b", "4.3s: 10 a,10 b")
	})
}

// TestOrderedFetchInVain: a version without FETCH is asked once, and a leap in the
// numbers does not become a million requests.
func TestOrderedFetchInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(numbered(0), numbered(1_000_000), numbered(2_000_000))
		f.end(io.EOF)
		calls := 0
		lines := collect(t.Context(), f, &api.OrderedConfig{Window: 10, Fetch: func(context.Context, api.GroupSequence) (api.GroupReader, error) {
			calls++
			return nil, api.ErrNotSupported
		}})
		expectLines(t, lines, "0s: 0 a,0 b", "0s: groups 1 to 999989 are lost", "0s: groups 999990 to 999999 are lost",
			"0s: 1000000 a,1000000 b", "0s: groups 1000001 to 1999999 are lost", "0s: 2000000 a,2000000 b")
		if calls > 8 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A slowGroup is a group whose frames a test adds while it is read.
type slowGroup struct {
	api.GroupReader
	frames    chan api.Frame
	cancelled chan api.StreamErrorCode
}

func newSlowGroup(seq api.GroupSequence) *slowGroup {
	return &slowGroup{apitest.Group(seq, nil), make(chan api.Frame), make(chan api.StreamErrorCode, 1)}
}

func (g *slowGroup) Cancel(code api.StreamErrorCode) {
	select {
	case g.cancelled <- code:
		close(g.frames)
	default:
	}
}

func (g *slowGroup) ReadFrame(f *api.Frame) error {
	next, ok := <-g.frames
	if !ok {
		return api.ErrClosed
	}
	*f = next
	return nil
}

func (g *slowGroup) NextFrame() (api.FrameHeader, io.Reader, error) {
	var f api.Frame
	err := g.ReadFrame(&f)
	return api.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}, strings.NewReader(string(f.Payload)), err
}

// TestOrderedHeldGroupGoesOn: a group that was held while it was open is read on
// where it arrives, in its order.
func TestOrderedHeldGroupGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFeed(), newSlowGroup(2)
		f.add(g)
		at(time.Second/2, func() { f.add(numbered(1)) })
		go func() {
			for i := range 10 {
				g.frames <- api.Frame{Payload: []byte{'0' + byte(i)}}
				time.Sleep(time.Second / 10)
			}
			g.Cancel(0)
		}()
		var got string
		for g, err := range api.Ordered(t.Context(), f, &api.OrderedConfig{From: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			got += read(g) + ";"
			if g.Sequence() == 2 {
				break
			}
		}
		if got != "1 a,1 b;0,1,2,3,4,5,6,7,8,9,closed;" {
			t.Error(got)
		}
	})
}

// TestOrderedIsLeft: what is held is cancelled, nothing runs on, and the track
// goes on where the loop was left.
func TestOrderedIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, held, fetched := newFeed(), newSlowGroup(5), newSlowGroup(2)
		f.add(numbered(0), held)
		f.lose(1, 3, nil)
		fetching := func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
			if seq == 1 {
				return numbered(1), nil
			}
			<-ctx.Done()
			return fetched, nil
		}
		for g, err := range api.Ordered(t.Context(), f, &api.OrderedConfig{Fetch: fetching}) {
			if err != nil {
				t.Fatal(err)
			}
			if g.Sequence() == 1 {
				break
			}
		}
		for _, g := range []*slowGroup{held, fetched} {
			select {
			case code := <-g.cancelled:
				if code != api.StreamCancelled {
					t.Error(code)
				}
			default:
				t.Errorf("group %d is not cancelled", g.Sequence())
			}
		}
		f.add(numbered(6))
		if g, err := f.AcceptGroup(t.Context()); err != nil || g.Sequence() != 6 {
			t.Error(g, err)
		}
	})
}

// TestOrderedGroupComesAgain: a group that broke off while it waited is yielded
// twice, as its reader would have seen it.
func TestOrderedGroupComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		broken := errors.New("broken off")
		f.add(apitest.Group(1, broken, apitest.Frames("a")...), apitest.Group(1, nil, apitest.Frames("b")...))
		f.add(apitest.Group(3, broken, apitest.Frames("c")...), apitest.Group(3, nil, apitest.Frames("d")...))
		at(time.Millisecond, func() { f.add(numbered(2)) })
		at(time.Minute, func() { f.end(io.EOF) })
		expectLines(t, collect(t.Context(), f, &api.OrderedConfig{From: 1}),
			"0s: a,broken off", "0s: b", "1ms: 2 a,2 b", "1ms: c,broken off", "1ms: d")
	})
}

// TestOrderedSlowLoop: what has come to the track while the loop's body ran is
// not lost, however long that took.
func TestOrderedSlowLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(numbered(0), numbered(2), numbered(4))
		at(time.Second, func() { f.add(numbered(6), numbered(3), numbered(1), numbered(5)); f.end(io.EOF) })
		next := api.GroupSequence(0)
		for g, err := range api.Ordered(t.Context(), f, &api.OrderedConfig{Patience: time.Minute}) {
			if err != nil || g.Sequence() != next {
				t.Fatal(next, err)
			}
			next++
			time.Sleep(time.Hour)
		}
		if next != 7 {
			t.Errorf("it ends before %d", next)
		}
	})
}

// TestOrderedPassesOverOthers: numbers that were given to other subscribers are no losses:
// nothing is told of them, waited for or fetched, at the end of the track either.
func TestOrderedPassesOverOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := &api.StreamError{Code: api.StreamOtherSubscriber, Remote: true}
		lost := &api.StreamError{Code: api.StreamOld, Remote: true}
		f := newFeed()
		f.add(numbered(0))
		f.add(numbered(3))
		f.add(numbered(6))
		f.gaps = []api.Gap{{Start: 1, End: 3, Err: other}, {Start: 4, End: 5, Err: other}, {Start: 5, End: 6, Err: lost}, {Start: 7, End: 9, Err: other}}
		f.end(io.EOF)
		fetch := func(_ context.Context, seq api.GroupSequence) (api.GroupReader, error) {
			if seq != 5 {
				t.Errorf("group %d was fetched", seq)
			}
			return nil, api.ErrNotFound
		}
		expectLines(t, collect(t.Context(), f, &api.OrderedConfig{Fetch: fetch}),
			"0s: 0 a,0 b", "0s: 3 a,3 b", "0s: group 5 is lost: reset by the peer: too old", "0s: 6 a,6 b")
	})
}
