// Package live keeps tracks in memory while they are written, for many readers.
//
//	var broadcast live.Broadcast
//	defer broadcast.Close()
//	track := broadcast.Track("video", api.TrackInfo{})
//	err := mux.Publish(ctx, "room/camera", &broadcast)
//	…
//	group, err := track.OpenGroup(ctx)
//	err = group.WriteFrame(frame)
//
// An application appends groups and frames to a [Track], an [api.TrackSink],
// whether or not anyone reads it. All subscriptions and fetches are served from
// one bounded cache of the newest groups, which holds each payload once. Each
// subscription has a position of its own: a late one starts where it asks to, a
// slow one skips what has become too old for it, and none slows the writer or
// another reader. Frames are passed on while they arrive.
//
// Where a subscription starts depends only on its StartGroup, not on other
// subscriptions: 0 is the oldest group that is held and not too old,
// [api.GroupLatest] is the newest that is held, and a number is that group.
// While a track holds nothing, 0 and GroupLatest are the first group that
// comes; with 0, lower ones that come later are sent too.
//
// A subscriber is told as a gap what it does not get: groups that were evicted,
// have become too old, were never written, or were given up by
// [Track.WriteGap].
package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A Broadcast is a set of live tracks, to be published in an [api.TrackMux].
// The zero value is ready to use. Set its fields before it is published.
type Broadcast struct {
	// Limits bound each track that the method Track makes.
	Limits Limits

	// OnTrack makes a track that is asked for and does not exist, or was
	// aborted; it calls [Broadcast.Track] or [NewTrack]. It is called once for
	// requests that come at the same time, in the goroutine of one of them; the
	// others wait for it. Its error refuses all of them; a nil track means not
	// found. Nil: such tracks are not found.
	OnTrack func(req api.TrackRequest) (*Track, error)

	// OnFetch answers fetches of groups that are not held, as an
	// [api.FetchHandler]. Nil: they are reset, as evicted or not found.
	OnFetch func(w api.GroupWriter, req api.FetchRequest)

	// mu is held neither while OnTrack or OnFetch runs nor while anything is
	// served. A track may call removeTrack, but without its own lock: the order
	// is mu, then Track.mu.
	mu      sync.Mutex
	tracks  map[api.TrackName]*Track        // those with OnTrack leave when they are aborted or retired
	pending map[api.TrackName]*pendingTrack // OnTrack is running for these
	closed  bool
}

// A pendingTrack is a call of OnTrack and its result.
type pendingTrack struct {
	done  chan struct{} // closed when the rest is set
	track *Track
	err   error
}

var (
	_ api.TrackHandler  = (*Broadcast)(nil)
	_ api.InfoHandler   = (*Broadcast)(nil)
	_ api.FetchHandler  = (*Broadcast)(nil)
	_ api.LatestHandler = (*Broadcast)(nil)
)

// Track returns the track of a name. If there is none, or it has ended, it
// makes one with this info. A subscriber that comes before that is refused, since
// there is no such track, unless OnTrack makes it: so make tracks before the
// broadcast is published. After Close, Track returns a track that has ended
// already.
func (b *Broadcast) Track(name api.TrackName, info api.TrackInfo) *Track {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tracks[name]; t != nil && t.ctx.Err() == nil {
		return t
	}
	t := NewTrack(info, b.Limits)
	b.setTrack(name, t)
	return t
}

// setTrack makes t the track of a name. The lock is held.
func (b *Broadcast) setTrack(name api.TrackName, t *Track) {
	if b.closed {
		_ = t.Close()
		return
	}
	if b.tracks == nil {
		b.tracks = make(map[api.TrackName]*Track)
	}
	b.tracks[name] = t
}

// removeTrack removes a track that was aborted or retired, so that OnTrack makes
// another at the next request, and names of tracks that are gone take no
// memory.
func (b *Broadcast) removeTrack(name api.TrackName, t *Track) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tracks[name] == t {
		delete(b.tracks, name)
	}
}

// Close ends all tracks, as [Track.Close] does, and those that OnTrack is
// making. It does not wait for their readers, and does not call OnTrack again.
func (b *Broadcast) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, t := range b.tracks {
		_ = t.Close()
	}
	return nil
}

// ServeTrack implements [api.TrackHandler].
//
// From its start on (see the package comment), a subscription gets all groups
// that are held and not too old for it. The age is counted as in moq-lite-06,
// "SUBSCRIBE", with the lesser of the subscriber's MaxLatency and the track's.
// Groups that are too old are skipped, or reset with [api.StreamOld] if they
// are being sent. A group that is evicted while it is being sent is reset with
// [api.StreamEvicted]. Up to 64 groups are served to one subscriber at the same
// time; if all of these are stuck, each newer one resets the oldest with
// [api.StreamTooFarBehind].
//
// Each number from the first on is served, or reported to a w that is an
// [api.GapWriter] as soon as its group cannot come any more: it was evicted, a
// newer group shows that it is or would be too old, or the track has ended.
//
// It returns at the track's end, or when the subscriber has left or the
// publication has ended. If the publication has ended, it finishes groups that
// are written to their end and resets the others: a program that wants its last
// groups read should close the broadcast some time before it ends the
// publication.
func (b *Broadcast) ServeTrack(w api.TrackWriter) {
	err := error(&api.StreamError{Code: api.StreamCancelled})
	// CloseIdle may abort the track between trackForRequest and
	// addSubscription; then OnTrack makes another.
	for range 2 {
		t, refusal := b.trackForRequest(w.Context(), w.Request())
		if refusal != nil {
			err = refusal
			break
		}
		if s, ok := t.addSubscription(w); ok {
			s.serveTrack()
			return
		}
	}
	_ = w.CloseWithError(api.ErrorCode(err))
}

// TrackInfo implements [api.InfoHandler].
func (b *Broadcast) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	t, err := b.trackForRequest(ctx, req)
	if err != nil {
		return api.TrackInfo{}, err
	}
	return t.Info(), nil
}

// ServeFetch implements [api.FetchHandler]. It serves a group that is held,
// however old, until the group ends. A group that was evicted is refused with
// [api.StreamEvicted], one that was never opened with [api.StreamNotFound].
func (b *Broadcast) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	t, err := b.trackForFetch(w.Context(), &req)
	switch {
	case t != nil && t.fetch(w, &req):
	case b.OnFetch != nil:
		b.OnFetch(w, req)
	case err != nil:
		w.Cancel(api.ErrorCode(err))
	default:
		w.Cancel(t.missingCode(req.Group))
	}
}

// trackForFetch returns the track to fetch from. If there is an OnFetch, it
// makes none.
func (b *Broadcast) trackForFetch(ctx context.Context, req *api.FetchRequest) (*Track, error) {
	if b.OnFetch == nil {
		return b.trackForRequest(ctx, api.TrackRequest{Path: req.Path, Name: req.Name, Session: req.Session})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tracks[req.Name], nil
}

// LatestGroup implements [api.LatestHandler].
func (b *Broadcast) LatestGroup(name api.TrackName) (api.GroupSequence, bool) {
	b.mu.Lock()
	t := b.tracks[name]
	b.mu.Unlock()
	if t == nil {
		return 0, false
	}
	return t.Latest()
}

// trackForRequest returns the requested track, and waits for OnTrack if that
// must make it. The first request calls OnTrack itself: a goroutine of its own
// would outlive Close, and cost every request that finds the track.
func (b *Broadcast) trackForRequest(ctx context.Context, req api.TrackRequest) (*Track, error) {
	b.mu.Lock()
	t, m := b.tracks[req.Name], b.pending[req.Name]
	another := b.OnTrack != nil && !b.closed
	if t != nil && !(another && t.isAborted()) {
		b.mu.Unlock()
		return t, nil
	}
	if m == nil && !another {
		b.mu.Unlock()
		return nil, fmt.Errorf("track %q: %w", string(req.Name), api.ErrNotFound)
	}
	if m == nil {
		m = b.beginMaking(req.Name)
		b.mu.Unlock()
		b.callOnTrack(m, req)
	} else {
		b.mu.Unlock()
	}
	select {
	case <-m.done:
		return m.track, m.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// beginMaking records that OnTrack is called for a name. The lock is held.
func (b *Broadcast) beginMaking(name api.TrackName) *pendingTrack {
	m := &pendingTrack{done: make(chan struct{}), err: errors.New("OnTrack panicked")}
	if b.pending == nil {
		b.pending = make(map[api.TrackName]*pendingTrack)
	}
	b.pending[name] = m
	return m
}

// callOnTrack calls OnTrack and gives its result to all that wait for it. If
// OnTrack panics, they get an error, and the panic goes on to the caller. A
// track that is aborted or retired by then answers these requests, but no later
// ones.
func (b *Broadcast) callOnTrack(m *pendingTrack, req api.TrackRequest) {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.pending, req.Name)
		switch {
		case m.err != nil:
			m.track = nil
		case m.track == nil:
			m.err = fmt.Errorf("track %q: %w", string(req.Name), api.ErrNotFound)
		case m.track.setOnGone(func() { b.removeTrack(req.Name, m.track) }):
			b.setTrack(req.Name, m.track)
		}
		close(m.done)
	}()
	m.track, m.err = b.OnTrack(req)
}
