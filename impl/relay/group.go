package relay

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
)

// recoverWithin is how long a relay tries to fetch groups that were lost
// upstream.
const recoverWithin = 5 * time.Second

// A group is a group of the track that is being written. Its source may change:
// a group that broke off continues from the next feed, or by a fetch, and a
// better source replaces the one that is read (shadow.go).
type group struct {
	copier
	seq     api.GroupSequence
	first   *route       // the route by which it began
	offered chan *source // buffered 1: replaces the source that is read
	due     uint64       // one above the number of frames when it last broke off

	// Guarded by the filler.
	source *source // the one that is read; nil for none
	looked uint64  // one above the value of came when breakSilent looked last
}

// A source is a group as one session brings it.
type source struct {
	api.GroupReader
	route *route
	feed  *feed  // that has brought it; nil: it is the answer to a fetch
	done  func() // called when it is not read any more
	mute  bool   // breakSilent has broken it off; the filler's lock guards it
}

// isFetch reports whether it is the answer to a fetch.
func (s *source) isFetch() bool { return s.feed == nil }

// isReplaced reports whether its feed was replaced by another.
func (s *source) isReplaced() bool { return s.feed != nil && s.feed.replaced.Load() }

// isBetter reports whether a source replaces the one that is read: if it comes
// by another route, or if it comes by a feed and the other was fetched, or its
// feed left. A feed does not bring a group again that was refused once, even if
// the one that is read breaks off.
func (s *source) isBetter(read *source) bool {
	return s.route != read.route || !s.isFetch() && (read.isFetch() || read.isReplaced())
}

// cancelWith cancels a source that is not wanted any more.
func (s *source) cancelWith(code api.StreamErrorCode) {
	s.Cancel(code)
	s.done()
}

// takeSource writes what a feed or a fetch has brought: as a new group, or as the
// rest of one that broke off or is still read from another source.
func (f *filler) takeSource(src *source) {
	f.mu.Lock()
	g := f.groups[src.Sequence()]
	if g == nil {
		g, err := f.openGroup(src)
		torn := f.newestBroken && src.Sequence() == f.account.newest
		f.mu.Unlock()
		if err != nil { // it is there already, or too old
			src.cancelWith(api.StreamCancelled)
			if torn { // and no group may follow for long: viewers that ask again get it
				_ = f.track.CloseWithError(api.StreamUnroutable)
			}
			return
		}
		f.writing.Go(func() { f.writeGroup(g, src) })
		return
	}
	// A feed that was replaced does not continue a group that is being read:
	// its peer may be a relay which is fed from here by now.
	taken := false
	var before *shadow
	switch {
	case g.source == nil:
		taken = g.offerSource(src)
	case !src.isReplaced() && g.accepts(src):
		taken, before = true, f.beginShadow(g, src)
	}
	f.mu.Unlock()
	before.leave()
	if !taken {
		src.cancelWith(api.StreamCancelled)
	}
}

// openGroup begins the group that src brings. The lock is held.
func (f *filler) openGroup(src *source) (*group, error) {
	seq := src.Sequence()
	out, err := f.track.Paced().OpenGroupAt(context.Background(), seq)
	if err != nil {
		return nil, err
	}
	g := &group{copier: copier{out: out, heard: &f.heard}, seq: seq, first: src.route, offered: make(chan *source, 1)}
	f.groups[seq] = g
	if seq >= f.account.newest {
		f.newestBy, f.newestBroken = src.route, false
	}
	f.noteGroup(seq)
	return g, nil
}

// isWriting reports whether a group is being written.
func (f *filler) isWriting(seq api.GroupSequence) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.groups[seq] != nil
}

// accepts reports whether src can be the next source of the group: it is of the
// same origin and better than the one that is read. The filler's lock is held.
func (g *group) accepts(src *source) bool {
	return sameOrigin(g.first, src.route) && (g.source == nil || src.isBetter(g.source))
}

// offerSource makes src the next source of the group, if it can be. The
// filler's lock is held.
func (g *group) offerSource(src *source) bool {
	if !g.accepts(src) {
		return false
	}
	select {
	case g.offered <- src:
		return true
	default:
		return false
	}
}

// writeGroup copies a group to its end, from src and the sources that follow it.
func (f *filler) writeGroup(g *group, src *source) {
	stop := context.AfterFunc(g.out.Context(), func() { f.cancelSource(g) })
	defer stop()
	for src != nil {
		src = f.writeFrom(g, src)
	}
	f.mu.Lock()
	delete(f.groups, g.seq)
	src = g.takeOffered()
	shadow := g.shadow.Swap(nil)
	f.mu.Unlock()
	shadow.leave()
	if src != nil {
		src.cancelWith(api.StreamCancelled)
	}
}

// writeFrom copies from one source, and returns the next one; nil when the
// group has ended.
func (f *filler) writeFrom(g *group, src *source) *source {
	f.setSource(g, src)
	g.by = src.feed
	err := g.copyFrom(src)
	f.setSource(g, nil)
	if err != nil {
		src.Cancel(api.ErrorCode(err))
	}
	src.done()
	if next := g.takeOffered(); next != nil {
		return next
	}
	if err == nil || isA[sinkError](err) {
		return nil
	}
	code, final := groupCode(err)
	// If no frame has come since the group last broke off, it is given up: the
	// next source may be a relay that has to fetch from here.
	if frames := g.frames.Load(); !final && frames >= g.due {
		g.due = frames + 1
		lost := isA[*api.SessionError](err)
		if next := f.awaitSource(g, src, lost); next != nil {
			return next
		}
	}
	g.out.Cancel(code)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newestBroken = f.newestBroken || !final && g.seq == f.account.newest
	return nil
}

// copyFrom copies from a source. A fetch is cancelled if it brings nothing in
// time: its peer may be a relay which gets the group from here, so that each
// waits for the other.
func (g *group) copyFrom(src *source) error {
	if src.isFetch() {
		before := g.came.Load()
		late := time.AfterFunc(recoverWithin, func() {
			if g.came.Load() == before {
				src.Cancel(api.StreamDeliveryTimeout)
			}
		})
		defer late.Stop()
	}
	return g.copyGroup(src)
}

// takeOffered returns the source that was offered, or nil.
func (g *group) takeOffered() *source {
	select {
	case src := <-g.offered:
		return src
	default:
		return nil
	}
}

func (f *filler) setSource(g *group, src *source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.source = src
	g.shadow.Load().wake()
}

// cancelSource stops reading a group that nobody wants any more.
func (f *filler) cancelSource(g *group) {
	f.mu.Lock()
	src := g.source
	f.mu.Unlock()
	if src != nil {
		src.Cancel(api.StreamCancelled)
	}
}

// breakSilent breaks off the groups of a feed that was left for another route,
// if they have brought nothing since the last look, and the track has newer
// ones. The feed's peer may read such a group from here by now, so that each
// waits for the other.
func (f *filler) breakSilent(fd *feed) {
	f.mu.Lock()
	var silent []*source
	for _, g := range f.groups {
		src, came := g.source, g.came.Load()+1
		if src == nil || src.feed != fd || f.feedRoute == fd.route || g.seq >= f.account.newest {
			continue
		}
		if g.looked == came {
			src.mute = true
			silent = append(silent, src)
		}
		g.looked = came
	}
	f.mu.Unlock()
	for _, src := range silent {
		src.Cancel(api.StreamDeliveryTimeout)
	}
}

// awaitSource finds another source for a group that broke off: the answer to a
// fetch, or the next feed's if the route was lost. It returns nil if none comes
// in time.
func (f *filler) awaitSource(g *group, left *source, lost bool) *source {
	ctx, cancel := context.WithTimeout(g.out.Context(), recoverWithin)
	defer cancel()
	fetched := make(chan *source, 1)
	go func() {
		wait := lost || !f.isMute(left) && left.route.isLost(ctx)
		fetched <- f.fetchGroup(ctx, g.seq, g.frames.Load(), g.first, wait)
	}()
	select {
	case src := <-fetched:
		if src == nil {
			src = g.awaitShadow(ctx)
		}
		return src
	case src := <-g.offered:
		cancel()
		if late := <-fetched; late != nil {
			late.cancelWith(api.StreamCancelled)
		}
		return src
	}
}

// isMute reports whether breakSilent has broken off a source. The track is fed
// by another route then, and no next one is waited for.
func (f *filler) isMute(src *source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return src.mute
}
