package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// DefaultTrackMux is the mux of [Publish], of a Dial with a nil mux, and of a
// server without one.
var DefaultTrackMux = NewTrackMux()

// Publish publishes h at path in [DefaultTrackMux].
func Publish(ctx context.Context, path BroadcastPath, h TrackHandler) error {
	return DefaultTrackMux.Publish(ctx, path, h)
}

// PublishFunc publishes f at path in [DefaultTrackMux].
func PublishFunc(ctx context.Context, path BroadcastPath, f func(w TrackWriter)) error {
	return DefaultTrackMux.PublishFunc(ctx, path, f)
}

// A TrackMux maps the paths of broadcasts to the handlers of their tracks, and
// announces the paths in each session that it was passed to (moq-lite-06,
// "ANNOUNCE_START"). One mux may serve any number of sessions; all methods may
// be called concurrently. The zero value is an empty mux, ready to use.
//
//	mux := api.NewTrackMux()
//	err := mux.Publish(ctx, "room/camera", camera) // until ctx is done
//	session, err := client.Dial(ctx, url, mux)     // announces it, and what is published later
//
// It may be changed at any time, before and after it is passed to sessions.
type TrackMux struct {
	mu    sync.Mutex                         // held for a whole change, which keeps their order
	lives map[<-chan struct{}][]*Publication // by the Done channel of their contexts
	set   AnnouncementSet                    // what is published
}

// NewTrackMux returns an empty mux.
func NewTrackMux() *TrackMux { return new(TrackMux) }

// Publish announces the broadcast at path and serves its tracks by h, until ctx
// is done. Then the announcement is withdrawn, the path is free, and the
// contexts of h's writers end with ctx's cause; groups that are open may still
// be finished. h does not serve other paths, not even those below path. Publish
// returns at once: [ErrDuplicatePath] if the path is taken, ctx's cause if ctx
// is done already. It refuses a path with an asterisk, which no [Pattern] of a
// grant can name alone.
func (m *TrackMux) Publish(ctx context.Context, path BroadcastPath, h TrackHandler) error {
	if err := checkLiteral(path); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return m.Announce(ctx, Announcement{Path: path}, h)
}

// PublishFunc is Publish with a function as the handler.
func (m *TrackMux) PublishFunc(ctx context.Context, path BroadcastPath, f func(w TrackWriter)) error {
	if f == nil {
		return errors.New("publish: nil handler")
	}
	return m.Publish(ctx, path, TrackHandlerFunc(f))
}

// PublishBelow is Publish for a handler that also serves all paths below path,
// by whole segments, except those below a longer path that is published. One
// announcement covers them all. The request's Path tells which one is asked
// for; h refuses those that it does not have. The tracks of each path have
// group numbers of their own, which are kept until ctx is done.
func (m *TrackMux) PublishBelow(ctx context.Context, path BroadcastPath, h TrackHandler) error {
	if err := checkLiteral(path); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return m.announce(ctx, Announcement{Path: path}, h, true)
}

// Announce is Publish for a program that passes a broadcast on: the
// announcement has a's hops and costs. Sessions add their own hop where their
// version requires it. If h is a [BelowHandler], it also serves the paths
// below, as with PublishBelow. Unlike Publish, it accepts paths with an
// asterisk, since their publisher may be another implementation.
func (m *TrackMux) Announce(ctx context.Context, a Announcement, h TrackHandler) error {
	_, below := h.(BelowHandler)
	return m.announce(ctx, a, h, below)
}

func (m *TrackMux) announce(ctx context.Context, a Announcement, h TrackHandler, below bool) error {
	a.Path = a.Path.Clean()
	if err := a.Path.Validate(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if h == nil {
		return fmt.Errorf("publish %q: nil handler", string(a.Path))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("publish %q: %w", string(a.Path), context.Cause(ctx))
	}
	done := ctx.Done()
	a.Publication = &Publication{ctx: ctx, path: a.Path, handler: h, below: below}
	first, err := m.addUntil(a, done)
	if err == nil && first {
		context.AfterFunc(ctx, func() { m.removeAll(done) })
	}
	return err
}

// addUntil publishes a until done is closed. It reports whether a is the first
// publication with this done: all of those are removed by one call of
// removeAll.
func (m *TrackMux) addUntil(a Announcement, done <-chan struct{}) (first bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A publication whose context is done has ended, even if it is not removed
	// yet.
	if old := m.set.publication(a.Path); old != nil && old.ctx.Err() == nil {
		return false, fmt.Errorf("publish %q: %w", string(a.Path), ErrDuplicatePath)
	}
	m.set.Put(a)
	if done == nil {
		return false, nil
	}
	if m.lives == nil {
		m.lives = make(map[<-chan struct{}][]*Publication)
	}
	m.lives[done] = append(m.lives[done], a.Publication)
	return len(m.lives[done]) == 1, nil
}

// removeAll removes the publications that end with done.
func (m *TrackMux) removeAll(done <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.lives[done] {
		if m.set.publication(p.path) == p {
			m.set.Remove(p.path)
		}
	}
	delete(m.lives, done)
}

// Update changes the hops and costs of the announcement at a.Path. Sessions
// send it as ANNOUNCE_UPDATE on moq-lite-06, as another announcement of the
// same path on 05, and as an end and a new announcement before. It returns
// [ErrNotFound] if nothing is announced there.
func (m *TrackMux) Update(a Announcement) error {
	if !m.set.Update(a) {
		return fmt.Errorf("update %q: %w", string(a.Path), ErrNotFound)
	}
	return nil
}

// Lookup returns the publication that serves path: the one at path, or else the
// one at the longest path above it that serves the paths below. It returns
// [ErrNotFound] if there is none.
func (m *TrackMux) Lookup(path BroadcastPath) (*Publication, error) {
	path = path.Clean()
	p := m.set.covering(path)
	if p == nil {
		return nil, fmt.Errorf("broadcast %q: %w", string(path), ErrNotFound)
	}
	return p.at(path), nil
}

// Handler returns the context and the handler of the publication that Lookup
// returns, or [ErrNotFound].
func (m *TrackMux) Handler(path BroadcastPath) (context.Context, TrackHandler, error) {
	p, err := m.Lookup(path)
	if err != nil {
		return nil, nil, err
	}
	return p.Context(), p.Handler(), nil
}

// Announcements follows what is published at or below prefix, by whole
// segments. A prefix that is covered from above is treated as
// [AnnouncementReader] says.
func (m *TrackMux) Announcements(ctx context.Context, prefix string) (AnnouncementReader, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := BroadcastPath(prefix).Validate(); err != nil {
		return nil, err
	}
	m.set.Complete()
	return m.set.Reader(prefix), nil
}

// All iterates over what is published now at or below prefix, by whole
// segments. A prefix that is covered from above is treated as
// [AnnouncementReader] says.
func (m *TrackMux) All(prefix string) iter.Seq[Announcement] { return m.set.All(prefix) }
