package api

import (
	"context"
	"sync"
)

// A Publication is one publication of a path in a [TrackMux], from Publish to
// the end of its context. It numbers the groups of each of its tracks, so that
// all subscribers get the same numbers.
type Publication struct {
	ctx     context.Context
	path    BroadcastPath
	handler TrackHandler
	below   bool // it also serves the paths below

	// Set for a path below: the publication that serves it, and the path from
	// there.
	above *Publication
	rest  BroadcastPath

	mu   sync.Mutex
	next map[track]*GroupSequence // one above the highest number taken
}

// A track is the key of a numbering: tracks of paths below have their own.
type track struct {
	rest BroadcastPath // its path, relative to the publication's
	name TrackName
}

// at returns the publication for path, which is its own path or one below it.
func (p *Publication) at(path BroadcastPath) *Publication {
	if path == p.path {
		return p
	}
	h := p.handler
	if b, ok := h.(BelowHandler); ok {
		h = b.Below(path)
	}
	return &Publication{ctx: p.ctx, path: p.path, handler: h, above: p, rest: path.Rel(p.path)}
}

// numbered returns the publication that keeps the numbers of a track, and the
// track's key there.
func (p *Publication) numbered(name TrackName) (*Publication, track) {
	if p.above != nil {
		return p.above, track{p.rest, name}
	}
	return p, track{name: name}
}

// Context ends with the publication.
func (p *Publication) Context() context.Context { return p.ctx }

// Path returns the path that is published: the one that was looked up, or one
// above it.
func (p *Publication) Path() BroadcastPath { return p.path }

// Handler returns the handler of its tracks.
func (p *Publication) Handler() TrackHandler { return p.handler }

// NextGroup takes the next group number of a track: one above the highest
// taken.
func (p *Publication) NextGroup(name TrackName) GroupSequence {
	p, t := p.numbered(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.nextOf(t)
	seq := *next
	*next++
	return seq
}

// TakeGroup records that the number seq of a track is taken. For a handler that
// is an [OriginHandler] it records nothing, since the origin numbers the
// groups.
func (p *Publication) TakeGroup(name TrackName, seq GroupSequence) {
	if _, passesOn := p.handler.(OriginHandler); passesOn {
		return
	}
	p, t := p.numbered(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.nextOf(t)
	*next = max(*next, seq+1)
}

// Latest returns the highest number taken of a track; false when none is.
func (p *Publication) Latest(name TrackName) (GroupSequence, bool) {
	p, t := p.numbered(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.next[t]
	if next == nil {
		return 0, false
	}
	return *next - 1, true
}

// nextOf returns the next number of a track and creates it if the track has
// none; the caller takes a number. The lock is held.
func (p *Publication) nextOf(t track) *GroupSequence {
	next := p.next[t]
	if next == nil {
		if p.next == nil {
			p.next = make(map[track]*GroupSequence)
		}
		next = new(GroupSequence)
		p.next[t] = next
	}
	return next
}
