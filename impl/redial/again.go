package redial

import (
	"errors"
	"io"

	"github.com/moqlite/moqlite/api"
)

// The newest group of a track may stay open for long: a catalog, a state, a
// log. If it breaks off with its session, the next feed asks for it again, from
// the first frame that the reader has not had. It is passed on after the reader
// of the broken one has got its error, as another group of the same number. A
// group that was read to its end, or cancelled, does not come again.
//
// errBrokeOff is why a group is asked for again.
var errBrokeOff = errors.New("the newest group broke off")

// finished records how the reading of a group that came by a link has ended. A
// session that is about to end may reset its groups first, since it loses its
// own sources.
func (t *track) finished(g *group, l *link, err error) {
	leaving := l.leaving()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == io.EOF:
		g.is = whole
	case errors.Is(err, api.ErrClosed):
		g.is = cancelled
	default:
		g.is, g.lost = broken, leaving || isA[*api.SessionError](err)
	}
	g.over.Happen()
	t.checkLast(g)
}

// checkLast wakes run if g is the newest group and has broken off. The lock is
// held.
func (t *track) checkLast(g *group) {
	if g == t.numbering.last && g.is == broken {
		t.broke.Wake()
	}
}

// outcomeOf returns what has become of g so far.
func (t *track) outcomeOf(g *group) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return g.is
}

// openEnd returns the newest group that was passed on if the feed after f has
// to ask for it again, else nil: it has broken off, or is about to, since its
// feed or session has ended.
func (t *track) openEnd(f *feed) *group {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.numbering.last
	switch {
	case last == nil, last.is == whole, last.is == cancelled:
		return nil
	case last.is == broken, f.finished(), f.link.ended():
		return last
	default:
		return nil // f still brings it
	}
}

// brokeOff reports whether the newest group has broken off with a session that
// was left, and f, a feed of another session, does not bring it: f began behind
// it, or the group had been passed on already when f brought it.
func (t *track) brokeOff(f *feed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.numbering.last
	return g != nil && g.is == broken && g.lost && g.by != f && f.again != g
}

// takeAgain passes on a group that was asked for again, after the reader has
// learned that it broke off.
func (f *feed) takeAgain(g api.GroupReader) {
	t, before := f.track, f.again
	f.regained = make(chan struct{})
	t.session.wg.Go(func() {
		defer close(f.regained)
		select {
		case <-before.over.Done():
		case <-f.life.Done():
		case <-t.feeding.Done():
		}
		out := f.group(g, before.next.Load())
		if t.outcomeOf(before) == broken {
			_ = f.hand(out) // of one that broke off its reader knows
		} else {
			out.Cancel(api.StreamCancelled)
		}
	})
}
