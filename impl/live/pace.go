package live

import (
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// Paced returns the track for writers that can wait, such as those of a program
// that passes on what it receives. While the track is nearly full of groups
// that no subscriber has taken yet, they wait. The fastest subscriber sets the
// pace; a slow one slows nobody.
func (t *Track) Paced() api.TrackSink { return pacedSink{t} }

// A pacedSink is a track whose groups are written by writers that wait.
type pacedSink struct{ *Track }

// OpenGroup implements [api.TrackSink].
func (p pacedSink) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	return markPaced(p.Track.OpenGroup(ctx))
}

// OpenGroupAt implements [api.TrackSink].
func (p pacedSink) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	return markPaced(p.Track.OpenGroupAt(ctx, seq))
}

// markPaced makes a new group's writer wait before what it writes is counted.
func markPaced(w api.GroupWriter, err error) (api.GroupWriter, error) {
	if g, ok := w.(*groupWriter); ok {
		g.paced = true
	}
	return w, err
}

// awaitRoom returns when there is room for more of g, or g has ended. The track
// tells room whenever a subscriber takes a group or leaves, and when a group
// ends, so that no writer sleeps on while it could go on.
func (t *Track) awaitRoom(g *group) {
	for {
		t.mu.Lock()
		if t.roomFor(g) {
			t.mu.Unlock()
			return
		}
		room := t.room.Changed()
		t.mu.Unlock()
		select {
		case <-room:
		case <-g.context().Done():
			return
		}
	}
}

// roomFor reports whether more of g can be held without evicting a group that
// all subscribers have yet to take. The lock is held.
func (t *Track) roomFor(g *group) bool {
	// The last quarter is left to what several writers add meanwhile, each of
	// which has seen room.
	if g.released || t.cache.bytes < t.limits.Bytes/4*3 {
		return true
	}
	oldest, first := t.cache.groups[0], t.cache.firstOpen() == g
	for _, s := range t.subs {
		// A subscriber that only waits for the rest of g must not hold up g.
		if !s.hasToServe(oldest) || first && !s.hasCompleteWaiting() {
			return true
		}
	}
	return len(t.subs) == 0
}

// hasToServe reports whether a group has yet to be served, in part or
// completely. It takes no longer for many groups than for few. The track's lock
// is held.
func (s *subscription) hasToServe(g *group) bool {
	_, waits := slices.BinarySearchFunc(s.waiting, g.seq, bySequence)
	return waits || s.opening == g ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group == g })
}

// hasCompleteWaiting reports whether a group that is written to its end waits
// for the subscriber. It looks at no more waiting groups than there are open
// ones. The track's lock is held.
func (s *subscription) hasCompleteWaiting() bool {
	return s.opening != nil && s.opening.isComplete() || slices.ContainsFunc(s.waiting, (*group).isComplete) ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group.isComplete() })
}

func (g *group) isComplete() bool { return !g.isOpen() }
