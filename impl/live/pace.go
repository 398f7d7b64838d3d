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

// awaitRoom returns when there is room for more of g, or g has ended.
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
	if g.released || t.cache.bytes < t.limits.Bytes/4*3 {
		return true
	}
	oldest, first := t.cache.groups[0], t.cache.firstOpen() == g
	for _, s := range t.subs {
		// A subscriber that only waits for the rest of g must not hold up g.
		if !s.wants(oldest) || first && !s.hasToTake() {
			return true
		}
	}
	return len(t.subs) == 0
}

// wants reports whether a group has yet to be served, in part or completely. It
// takes no longer for many groups than for few. The track's lock is held.
func (s *subscription) wants(g *group) bool {
	_, waits := slices.BinarySearchFunc(s.waiting, g.seq, bySequence)
	return waits || s.opening == g ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group == g })
}

// hasToTake reports whether a group that is written to its end waits for the
// subscriber. It looks at no more waiting groups than there are open ones. The
// track's lock is held.
func (s *subscription) hasToTake() bool {
	return s.opening != nil && s.opening.isWhole() || slices.ContainsFunc(s.waiting, (*group).isWhole) ||
		slices.ContainsFunc(s.serving, func(r *reader) bool { return r.group.isWhole() })
}

func (g *group) isWhole() bool { return !g.isOpen() }
