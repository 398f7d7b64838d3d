package api

import (
	"context"
	"sync"
)

// A Publication is one life of a path in a [TrackMux], from Publish to the end
// of its context. It numbers the groups of its tracks across all subscribers.
type Publication struct {
	ctx     context.Context
	path    BroadcastPath
	handler TrackHandler
	below   bool // answers for the paths below too

	// Of a path below: what answers for it, and the path.
	above *Publication
	rest  BroadcastPath

	mu   sync.Mutex
	next map[track]*GroupSequence // one above the highest taken
}

// A track is one of those that a publication numbers.
type track struct {
	rest BroadcastPath // of its path, below the publication's
	name TrackName
}

// at is the publication as it answers for path, which is its own or below it.
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

// numbered is who keeps the numbers of a track, and as which.
func (p *Publication) numbered(name TrackName) (*Publication, track) {
	if p.above != nil {
		return p.above, track{p.rest, name}
	}
	return p, track{name: name}
}

// Context is the publication's life.
func (p *Publication) Context() context.Context { return p.ctx }

// Path is where it is published: the path that was looked up, or one above.
func (p *Publication) Path() BroadcastPath { return p.path }

// Handler serves its tracks.
func (p *Publication) Handler() TrackHandler { return p.handler }

// NextGroup takes the next number of a track: one above the highest taken.
func (p *Publication) NextGroup(name TrackName) GroupSequence {
	p, t := p.numbered(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.nextOf(t)
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

// nextOf is the next number of a track, of which one will be taken. The lock is
// held.
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
