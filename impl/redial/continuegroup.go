package redial

import (
	"errors"
	"io"

	"github.com/moqlite/moqlite/api"
)

// The newest group of a track may stay open for long: a catalog, a state, a
// log. If it breaks off with its session, the next feed asks for it again, from
// the first frame that the reader has not had. AcceptGroup returns it, as another
// group of the same number, after the reader of the broken one has got its error.
// A group that was read to its end, or cancelled, does not come again.
//
// errBrokeOff is why a group is asked for again.
var errBrokeOff = errors.New("the newest group broke off")

// groupEnded records how the reading of a group that came by a link has ended. A
// session that is about to end may reset its groups first, since it loses its
// own sources.
func (t *track) groupEnded(g *group, l *link, err error) {
	t.noteEnd(g, l.isGoingAway(), err)
}

// noteEnd records how the reading of a group has ended. leaving says that its
// session is about to end.
func (t *track) noteEnd(g *group, leaving bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == io.EOF:
		g.outcome = whole
	case errors.Is(err, api.ErrClosed):
		g.outcome = cancelled
	default:
		g.outcome, g.lost = broken, leaving || isA[*api.SessionError](err)
	}
	g.over.Happen()
	t.wakeIfNewest(g)
}

// wakeIfNewest wakes followFeeds if g is the newest group and has broken off. The lock is
// held.
func (t *track) wakeIfNewest(g *group) {
	if g == t.numbering.last && g.outcome == broken {
		t.newestBroke.Wake()
	}
}

// groupToContinue returns the newest group that was passed on if the feed after
// f has to ask for it again, else nil: it has broken off, or is about to, since
// its feed or session has ended.
func (t *track) groupToContinue(f *feed) *group {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.numbering.last
	switch {
	case last == nil, last.outcome == whole, last.outcome == cancelled:
		return nil
	case last.outcome == broken, f.isDone(), f.link.isEnded():
		return last
	default:
		return nil // f still brings it
	}
}

// newestBrokeOff reports whether the newest group has broken off with a session
// that was left, and f, a feed of another session, does not bring it: f began
// behind it, or the group had been passed on already when f brought it.
func (t *track) newestBrokeOff(f *feed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.numbering.last
	return g != nil && g.outcome == broken && g.lost && g.by != f && f.again.latest() != g
}

// passContinued passes on a group that was asked for again, after the reader has
// learned that it broke off. Several feeds may have asked for it, one after the
// other, before the reader came to its end: then the first passes it on, and the
// next one follows what that has passed on.
func (f *feed) passContinued(g api.GroupReader) {
	f.regained = make(chan struct{})
	f.track.session.wg.Go(func() {
		defer close(f.regained)
		for before := f.again; before != nil; {
			select {
			case <-before.over.Done():
			case <-f.life.Done():
			case <-f.track.feeding.Done():
			}
			before = f.passIfBroken(g, before)
		}
	})
}

// passIfBroken passes g on in place of before, whose reading has ended, if that broke
// off, and cancels g otherwise. If another feed has passed on the same group since,
// it does neither, and returns that group: g may have to follow it.
func (f *feed) passIfBroken(g api.GroupReader, before *group) (other *group) {
	t, out := f.track, f.wrapGroup(g, before.next.Load())
	t.mu.Lock()
	other = f.again.latest()
	follows := other == before && before.outcome == broken
	if follows {
		before.after = out
		if t.resumes {
			t.follow(before, out)
		}
	}
	t.mu.Unlock()
	if other != before {
		return other
	}
	if !follows || !t.resumes && f.deliverGroup(out) != nil {
		t.mu.Lock()
		before.after = nil // another may follow it
		t.mu.Unlock()
		out.Cancel(api.StreamCancelled)
	}
	return nil
}

// latest returns the group that has followed g, the next one that has followed
// that, and so on; nil for nil. The lock is held.
func (g *group) latest() *group {
	for g != nil && g.after != nil {
		g = g.after
	}
	return g
}
