package record

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// gatherFor is how long groups are gathered at the beginning of a subscription,
// since the first to arrive need not be the first.
const gatherFor = 100 * time.Millisecond

// maxGathered is how many groups are gathered at most.
const maxGathered = 64

// groups reads a track's groups by number, beginning with the lowest of those that
// come first.
type groups struct {
	api.TrackReader

	accepting chan struct{} // buffered 1: the turn to call the track's AcceptGroup
	before    []arrival     // what AcceptGroup returns before those of the track; of whoever has the turn
}

func newGroups(r api.TrackReader) *groups {
	return &groups{TrackReader: r, accepting: make(chan struct{}, 1)}
}

// An arrival is what AcceptGroup has returned.
type arrival struct {
	group api.GroupReader
	err   error
}

// gather accepts the first groups and returns the lowest number.
func (g *groups) gather(ctx context.Context) api.GroupSequence {
	lowest := api.GroupSequence(0)
	wait := ctx
	for n := range maxGathered {
		group, err := g.TrackReader.AcceptGroup(wait)
		if n > 0 && errors.Is(err, context.DeadlineExceeded) && wait.Err() != nil && ctx.Err() == nil {
			break // enough was waited for
		}
		g.before = append(g.before, arrival{group, err})
		if err != nil {
			break
		}
		if n == 0 {
			lowest = group.Sequence()
			var cancel context.CancelFunc
			wait, cancel = context.WithTimeout(ctx, gatherFor)
			defer cancel()
		}
		lowest = min(lowest, group.Sequence())
	}
	return lowest
}

// AcceptGroup implements [api.TrackReader].
func (g *groups) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	g.accepting <- struct{}{} // newer gives it back at once
	defer func() { <-g.accepting }()
	if len(g.before) > 0 {
		a := g.before[0]
		g.before = g.before[1:]
		return a.group, a.err
	}
	return g.TrackReader.AcceptGroup(ctx)
}

// newer reports whether there is a group behind the one that is being read. While
// another accepts one, there is none.
func (g *groups) newer() bool {
	select {
	case g.accepting <- struct{}{}:
		defer func() { <-g.accepting }()
	default:
		return false
	}
	if len(g.before) > 0 {
		return true
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	group, err := g.TrackReader.AcceptGroup(ctx)
	if err != nil && errors.Is(err, context.Canceled) {
		return false
	}
	g.before = append(g.before, arrival{group, err})
	return true
}

// ordered iterates over the groups of a track by number, as [api.Ordered] does,
// with no wait for the first. It ends without an error at the track's end, and
// goes on behind a *api.GapError and an [api.ErrRestarted] alone.
func (g *groups) ordered(ctx context.Context, c api.OrderedConfig) iter.Seq2[api.GroupReader, error] {
	return func(yield func(api.GroupReader, error) bool) {
		for {
			c.From = g.gather(ctx)
			restarted := false
			for group, err := range api.Ordered(ctx, g, &c) {
				if restarted = errors.Is(err, api.ErrRestarted); !yield(group, err) {
					return
				}
				if restarted {
					break // what follows has a first number of its own
				}
			}
			if !restarted {
				return
			}
		}
	}
}

// A stall cancels a group that brings nothing more while newer ones wait.
type stall struct {
	groups *groups
	after  time.Duration
	timer  *time.Timer

	mu    sync.Mutex
	group api.GroupReader
}

func newStall(g *groups, after time.Duration) *stall {
	s := &stall{groups: g, after: after}
	s.timer = time.AfterFunc(after, s.look)
	return s
}

// watch begins to watch a group; nil: none.
func (s *stall) watch(g api.GroupReader) {
	s.mu.Lock()
	s.group = g
	s.mu.Unlock()
	s.alive()
}

// alive tells that a frame has come.
func (s *stall) alive() { s.timer.Reset(s.after) }

func (s *stall) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return
	}
	if s.groups.newer() {
		s.group.Cancel(api.StreamOld)
		return
	}
	s.alive()
}

func (s *stall) stop() {
	s.watch(nil)
	s.timer.Stop()
}

var errStalled = errors.New("the group has brought nothing more while newer ones came")
