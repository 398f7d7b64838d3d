// Package live keeps tracks that many read while they are written.
//
//	var broadcast live.Broadcast
//	defer broadcast.Close()
//	err := mux.Publish(ctx, "room/camera", &broadcast)
//	…
//	track := broadcast.Track("video", api.TrackInfo{})
//	group, err := track.OpenGroup(ctx)
//	err = group.WriteFrame(frame)
//
// An application appends groups and frames to a [Track], an [api.TrackSink],
// without regard to who listens. All subscriptions and fetches are served from
// one bounded store of the newest groups, in which each payload stands once.
// Each subscription has its own place: a late one starts where it asks to, a
// slow one leaves out what has become too old for it, and nobody slows the
// writer or another reader. Frames are passed on while they arrive.
//
// Where a subscription starts depends on its StartGroup alone, and not on who
// else is subscribed: 0 is the oldest group that is held and not too old,
// [api.GroupLatest] is the newest that is held, and a number is that group. A
// track that holds nothing yet starts with the first group that comes.
//
// What a subscriber does not get it is told as a gap: what was evicted, has
// become too old, was never written, or is lost by [Track.WriteGap].
package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A Broadcast is a set of live tracks, to be published in an [api.TrackMux]. The
// zero value is ready to use; the fields are set before it is published.
type Broadcast struct {
	// Limits bound each track that Track makes.
	Limits Limits

	// OnTrack makes a track that is asked for and not there, or was aborted:
	// [Broadcast.Track] and [NewTrack] make one. It is called once however many
	// ask at the same time, in the goroutine of one of them, and the others wait
	// for it. Its error refuses them all; a nil track is not found. Nil: such
	// tracks are not found.
	OnTrack func(req api.TrackRequest) (*Track, error)

	// OnFetch answers fetches of groups that are not at hand, as an
	// [api.FetchHandler]. Nil: they are reset, as evicted or not found.
	OnFetch func(w api.GroupWriter, req api.FetchRequest)

	mu     sync.Mutex
	tracks map[api.TrackName]*Track
	making map[api.TrackName]*making
	closed bool
}

// making is a call of OnTrack.
type making struct {
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
// makes one, which info describes. After Close the track has ended already.
func (b *Broadcast) Track(name api.TrackName, info api.TrackInfo) *Track {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tracks[name]; t != nil && t.ctx.Err() == nil {
		return t
	}
	t := NewTrack(info, b.Limits)
	b.put(name, t)
	return t
}

// put makes t the track of a name. The lock is held.
func (b *Broadcast) put(name api.TrackName, t *Track) {
	if b.closed {
		_ = t.Close()
		return
	}
	if b.tracks == nil {
		b.tracks = make(map[api.TrackName]*Track)
	}
	b.tracks[name] = t
}

// forget lets go of a track that was aborted or retired. OnTrack makes another one for who
// asks again: what is kept of names is for tracks that are there.
func (b *Broadcast) forget(name api.TrackName, t *Track) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tracks[name] == t {
		delete(b.tracks, name)
	}
}

// Close ends all tracks, as [Track.Close] does, and those that OnTrack still
// makes. It does not wait for their readers, and calls OnTrack no more.
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
// From its start on (see the package comment), a subscription gets all that is
// held and not too old for it. Groups are too old as moq-lite-06 counts it, by
// the lesser of the subscriber's MaxLatency and the track's; they are left out,
// or reset with [api.StreamOld] if they are under way. What is evicted under way
// is reset with [api.StreamEvicted]. Up to 64 groups are served to one
// subscriber at the same time; when that many are stuck, each newest one has the
// oldest reset with [api.StreamTooFarBehind].
//
// Each number from the first on is served, or told to a w that is an
// [api.GapWriter] as soon as its group cannot come any more: it was evicted, a
// newer group shows that it is or would be too old, or the track has ended.
//
// It returns at the track's end, or when the subscriber has left or the
// publication is over. In the latter case it finishes groups that have begun
// and are there whole, and resets the others: a program that wants its last
// groups read closes the broadcast some time before it ends the publication.
func (b *Broadcast) ServeTrack(w api.TrackWriter) {
	err := error(&api.StreamError{Code: api.StreamCancelled})
	// A track may be closed for want of subscribers between the two calls; then
	// OnTrack makes another.
	for range 2 {
		t, refusal := b.find(w.Context(), w.Request())
		if refusal != nil {
			err = refusal
			break
		}
		if s, ok := t.join(w); ok {
			s.run()
			return
		}
	}
	_ = w.CloseWithError(api.ErrorCode(err))
}

// TrackInfo implements [api.InfoHandler].
func (b *Broadcast) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	t, err := b.find(ctx, req)
	if err != nil {
		return api.TrackInfo{}, err
	}
	return t.Info(), nil
}

// ServeFetch implements [api.FetchHandler]: from what is held, however old,
// until the group ends. What was evicted is [api.StreamEvicted], what never was
// [api.StreamNotFound].
func (b *Broadcast) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	t, err := b.at(w.Context(), &req)
	switch {
	case t != nil && t.fetch(w, &req):
	case b.OnFetch != nil:
		b.OnFetch(w, req)
	case err != nil:
		w.Cancel(api.ErrorCode(err))
	default:
		w.Cancel(t.missing(req.Group))
	}
}

// at is the track to be fetched from. Where OnFetch answers, none is made.
func (b *Broadcast) at(ctx context.Context, req *api.FetchRequest) (*Track, error) {
	if b.OnFetch == nil {
		return b.find(ctx, api.TrackRequest{Path: req.Path, Name: req.Name, Session: req.Session})
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

// find returns the track that is asked for, waiting for OnTrack to make it.
func (b *Broadcast) find(ctx context.Context, req api.TrackRequest) (*Track, error) {
	b.mu.Lock()
	t, m := b.tracks[req.Name], b.making[req.Name]
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
		m = b.begin(req.Name)
		b.mu.Unlock()
		b.make(m, req)
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

// begin notes that a track is being made. The lock is held.
func (b *Broadcast) begin(name api.TrackName) *making {
	m := &making{done: make(chan struct{}), err: errors.New("OnTrack panicked")}
	if b.making == nil {
		b.making = make(map[api.TrackName]*making)
	}
	b.making[name] = m
	return m
}

// make has OnTrack make a track, for all who wait.
func (b *Broadcast) make(m *making, req api.TrackRequest) {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.making, req.Name)
		switch {
		case m.err != nil:
			m.track = nil
		case m.track == nil:
			m.err = fmt.Errorf("track %q: %w", string(req.Name), api.ErrNotFound)
		case m.track.onForget(func() { b.forget(req.Name, m.track) }):
			b.put(req.Name, m.track)
		}
		close(m.done)
	}()
	m.track, m.err = b.OnTrack(req)
}
