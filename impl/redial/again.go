package redial

import (
	"errors"
	"io"

	"github.com/moqlite/moqlite/api"
)

// The newest group of a track may stay open for long: a catalog, a state, a log.
// Where it breaks off with its session, the next feed asks for it again, from
// the first frame that its reader has not had. It is passed on when the reader
// of the broken one has been told of that, as another group of the same number.
// A group that was read to its end, or cancelled, does not come again.

// errBrokeOff tells why a group is asked for again.
var errBrokeOff = errors.New("the newest group broke off")

// finished notes how reading a group has ended, which the session of a link has
// brought. One that is about to end may lose what it is fed by, and reset the
// group, before it ends itself.
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

// checkLast tells of a newest group if that is g and has broken off. The lock is
// held.
func (t *track) checkLast(g *group) {
	if g == t.numbering.last && g.is == broken {
		t.broke.Wake()
	}
}

// outcomeOf is what has become of g so far.
func (t *track) outcomeOf(g *group) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return g.is
}

// openEnd is the newest group that was passed on if it is to be asked for again
// by the feed after f, nil for none: it has broken off, or is about to, since
// what brought it has ended.
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

// brokeOff tells whether the newest group has broken off with a session that was
// left, though f, which is over another one, has begun meanwhile: f has begun
// behind it, or has found it passed on already, and does not bring it.
func (t *track) brokeOff(f *feed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.numbering.last
	return g != nil && g.is == broken && g.lost && g.by != f && f.again != g
}

// takeAgain passes on a group that was asked for again, when its reader knows
// that it broke off before.
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
