package relay

import (
	"context"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A shadow is a better source of a group than the one that is read, which still
// delivers. It replaces that one when it brings what was not written yet: its
// peer may be a relay that has the group from here, so that each would wait for
// the other, and viewers would wait while it repeats what they have. Until then
// each of its frames is skipped when it was written.
type shadow struct {
	*source
	moved signal.Wake   // a frame was written, the source has ended, or the shadow is left
	over  chan struct{} // closed when the shadow has replaced the source, or is given up
}

// beginShadow makes src the shadow of a group. It returns the shadow before, which
// the caller leaves. The lock is held.
func (f *filler) beginShadow(g *group, src *source) (before *shadow) {
	s := &shadow{source: src, moved: signal.NewWake(), over: make(chan struct{})}
	f.writing.Go(func() {
		defer close(s.over)
		for frame := s.FirstFrame(); f.skip(g, s, frame); frame++ {
		}
	})
	return g.shadow.Swap(s)
}

// leave gives up a shadow, if there is one.
func (s *shadow) leave() {
	if s != nil {
		s.Cancel(api.StreamCancelled)
		s.wake()
	}
}

// wake makes a shadow, if there is one, look at the group.
func (s *shadow) wake() {
	if s != nil {
		s.moved.Wake()
	}
}

// skip waits for the next frame of a shadow, and until another source has
// written it. It reports false if the shadow has replaced that source, or is
// given up.
func (f *filler) skip(g *group, s *shadow, frame uint64) bool {
	next := &ahead{GroupReader: s.GroupReader, frame: frame}
	next.header, next.payload, next.err = s.NextFrame()
	is := level
	for is == level {
		var read *source
		switch is, read = f.compare(g, s, next); {
		case is == level:
			<-s.moved
		case is == first && read != nil:
			read.Cancel(api.StreamCancelled)
		}
	}
	if is == useless {
		s.cancelWith(api.StreamCancelled)
	}
	return is == behind
}

// awaitShadow returns the source that the shadow of a group has become, or that
// was offered meanwhile; nil for none.
func (g *group) awaitShadow(ctx context.Context) *source {
	if s := g.shadow.Load(); s != nil {
		select {
		case <-s.over:
		case <-ctx.Done():
		}
	}
	return g.takeOffered()
}

// A standing is how far a shadow has come.
type standing uint8

const (
	behind  standing = iota // its next frame was written by another source
	level                   // its next frame is being written, or was not begun
	first                   // it has replaced the source that was read
	useless                 // it is left, has failed, or lacks frames
)

// compare compares a shadow with the source that is read, and replaces that by
// it when it is time.
func (f *filler) compare(g *group, s *shadow, next *ahead) (is standing, read *source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written := g.frames.Load()
	switch {
	case g.shadow.Load() != s:
		return useless, nil
	case next.err == nil && next.frame < written && g.source != nil:
		return behind, nil
	case next.err == nil, next.err == io.EOF && next.frame >= written:
		if g.source != nil && !s.passes(g.source, g, next.frame) {
			return level, nil
		}
		s.source.GroupReader = next
		if g.offerSource(s.source) {
			is, read = first, g.source
		} else {
			is = useless
		}
	default:
		is = useless
	}
	g.shadow.Store(nil)
	return is, read
}

// passes reports whether a shadow whose next frame has come replaces the source
// that is read. Over the same session it may do so within a frame: its peer has
// both from one source.
func (s *shadow) passes(read *source, g *group, frame uint64) bool {
	within := g.within.Load() // asked before the number of frames, which it may outlast
	return frame == g.frames.Load() && !s.isReplaced() && (!within || s.route.session == read.route.session)
}

// ahead is a group whose next frame, or regular end, has come.
type ahead struct {
	api.GroupReader
	frame   uint64 // its index
	header  api.FrameHeader
	payload io.Reader
	err     error
	passed  bool // it was returned
}

// FirstFrame implements [api.GroupReader].
func (a *ahead) FirstFrame() uint64 { return a.frame }

// NextFrame implements [api.GroupReader].
func (a *ahead) NextFrame() (api.FrameHeader, io.Reader, error) {
	if !a.passed {
		a.passed = true
		return a.header, a.payload, a.err
	}
	return a.GroupReader.NextFrame()
}
