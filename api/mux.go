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
// announces them to the sessions that it was given to. One mux may serve any
// number of sessions; all methods may be called concurrently. The zero value
// is an empty mux, ready to use.
type TrackMux struct {
	mu    sync.Mutex                         // of the order of changes
	lives map[<-chan struct{}][]*Publication // by the end of their contexts
	set   AnnouncementSet                    // what is published
}

// NewTrackMux returns an empty mux.
func NewTrackMux() *TrackMux { return new(TrackMux) }

// Publish announces the broadcast at path and has h serve its tracks, until
// ctx is done: then the path is free and withdrawn, and the contexts of h's
// writers end with the same cause; groups that are open may still be finished.
// It returns at once: [ErrDuplicatePath] where the path is taken, ctx's cause
// where ctx is done already.
func (m *TrackMux) Publish(ctx context.Context, path BroadcastPath, h TrackHandler) error {
	return m.Announce(ctx, Announcement{Path: path}, h)
}

// PublishFunc is Publish with a function as the handler.
func (m *TrackMux) PublishFunc(ctx context.Context, path BroadcastPath, f func(w TrackWriter)) error {
	if f == nil {
		return errors.New("publish: nil handler")
	}
	return m.Publish(ctx, path, TrackHandlerFunc(f))
}

// Announce is Publish for who passes a broadcast on: a's hops and costs go
// with the announcement. Sessions add themselves to the hops as their version
// has it.
func (m *TrackMux) Announce(ctx context.Context, a Announcement, h TrackHandler) error {
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
	a.Publication = &Publication{ctx: ctx, path: a.Path, handler: h}
	first, err := m.add(a, done)
	if err == nil && first {
		context.AfterFunc(ctx, func() { m.removeAll(done) })
	}
	return err
}

// add publishes a until done is closed, and tells whether it is the first of
// those that end so: however many have one context, one goroutine ends them.
func (m *TrackMux) add(a Announcement, done <-chan struct{}) (first bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A publication whose context is done is over, though its removal may
	// still be on its way.
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

// removeAll takes away what ends with done.
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

// Update changes the hops and costs of what is announced at a.Path.
func (m *TrackMux) Update(a Announcement) error {
	if !m.set.Update(a) {
		return fmt.Errorf("update %q: %w", string(a.Path), ErrNotFound)
	}
	return nil
}

// Lookup returns what is published at path, or [ErrNotFound].
func (m *TrackMux) Lookup(path BroadcastPath) (*Publication, error) {
	path = path.Clean()
	p := m.set.publication(path)
	if p == nil || p.ctx.Err() != nil {
		return nil, fmt.Errorf("broadcast %q: %w", string(path), ErrNotFound)
	}
	return p, nil
}

// Handler returns the context and the handler of what is published at path, or
// [ErrNotFound].
func (m *TrackMux) Handler(path BroadcastPath) (context.Context, TrackHandler, error) {
	p, err := m.Lookup(path)
	if err != nil {
		return nil, nil, err
	}
	return p.Context(), p.Handler(), nil
}

// Announcements follows what is published at or below prefix, by whole
// segments.
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

// All is what is published now at or below prefix, by whole segments.
func (m *TrackMux) All(prefix string) iter.Seq[Announcement] { return m.set.All(prefix) }

// A Publication is one life of a path in a [TrackMux], from Publish to the end
// of its context. It numbers the groups of its tracks across all subscribers.
type Publication struct {
	ctx     context.Context
	path    BroadcastPath
	handler TrackHandler

	mu   sync.Mutex
	next map[TrackName]*GroupSequence // one above the highest taken
}

// Context is the publication's life.
func (p *Publication) Context() context.Context { return p.ctx }

// Path is where it is published.
func (p *Publication) Path() BroadcastPath { return p.path }

// Handler serves its tracks.
func (p *Publication) Handler() TrackHandler { return p.handler }

// NextGroup takes the next number of a track: one above the highest taken.
func (p *Publication) NextGroup(name TrackName) GroupSequence {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.nextOf(name)
	seq := *next
	*next++
	return seq
}

// TakeGroup notes that the number seq of a track is taken. Of what an
// [OriginHandler] passes on nothing is noted: its origin gives the numbers.
func (p *Publication) TakeGroup(name TrackName, seq GroupSequence) {
	if _, passesOn := p.handler.(OriginHandler); passesOn {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.nextOf(name)
	*next = max(*next, seq+1)
}

// Latest returns the highest number taken of a track; false when none is.
func (p *Publication) Latest(name TrackName) (GroupSequence, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.next[name]
	if next == nil {
		return 0, false
	}
	return *next - 1, true
}

// nextOf is the next number of a track, of which one will be taken. The lock is
// held.
func (p *Publication) nextOf(name TrackName) *GroupSequence {
	next := p.next[name]
	if next == nil {
		if p.next == nil {
			p.next = make(map[TrackName]*GroupSequence)
		}
		next = new(GroupSequence)
		p.next[name] = next
	}
	return next
}
