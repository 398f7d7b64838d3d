package live

import (
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// Paced is the track for who can wait, such as one that passes on what comes
// from elsewhere: while the track is nearly full of what no subscriber has taken
// yet, those that write its groups wait. The fastest subscriber sets the pace;
// nobody slows another.
func (t *Track) Paced() api.TrackSink { return paced{t} }

type paced struct{ *Track }

// OpenGroup implements [api.TrackSink].
func (p paced) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	return pace(p.Track.OpenGroup(ctx))
}

// OpenGroupAt implements [api.TrackSink].
func (p paced) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	return pace(p.Track.OpenGroupAt(ctx, seq))
}

func pace(w api.GroupWriter, err error) (api.GroupWriter, error) {
	if g, ok := w.(*groupWriter); ok {
		g.paced = true
	}
	return w, err
}

// awaitRoom returns when there is room for more of g, or g is over.
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

// roomFor tells whether more of g can be held without letting go of what all
// subscribers have yet to take. The lock is held.
func (t *Track) roomFor(g *group) bool {
	if g.released || t.cache.bytes < t.limits.Bytes/4*3 {
		return true
	}
	oldest, first := t.cache.groups[0], t.cache.firstOpen() == g
	for _, s := range t.subs {
		// A subscriber who waits for the rest of g would wait for ever.
		if !s.wants(oldest) || first && !s.hasToTake() {
			return true
		}
	}
	return len(t.subs) == 0
}

// wants tells whether a group is yet to be served, in part or in whole. It takes
// no longer for many groups than for few. The track's lock is held.
func (s *subscription) wants(g *group) bool {
	_, waits := slices.BinarySearchFunc(s.waiting, g.seq, bySequence)
	return waits || s.opening == g ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group == g })
}

// hasToTake tells whether there is a group that the subscriber has only to
// take. It looks at no more of those that wait than are being written. The
// track's lock is held.
func (s *subscription) hasToTake() bool {
	return s.opening != nil && s.opening.isWhole() || slices.ContainsFunc(s.waiting, (*group).isWhole) ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group.isWhole() })
}

func (g *group) isWhole() bool { return !g.isOpen() }
