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
		g.is, g.lost = broken, leaving || errors.As(err, new(*api.SessionError))
	}
	if g.over != nil {
		close(g.over)
	}
	if g == t.last {
		t.checkLast()
	}
}

// checkLast tells of a newest group that has broken off. The lock is held.
func (t *track) checkLast() {
	if t.last.is == broken {
		t.broke.Wake()
	}
}

// whenOver is closed when reading g has ended.
func (t *track) whenOver(g *group) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.over == nil {
		g.over = make(chan struct{})
		if g.is != unfinished {
			close(g.over)
		}
	}
	return g.over
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
	switch {
	case t.last == nil, t.last.is == whole, t.last.is == cancelled:
		return nil
	case t.last.is == broken, f.finished(), f.link.ended():
		return t.last
	default:
		return nil // f still brings it
	}
}

// brokeOff tells whether the newest group has broken off with the session that
// brought it after f, which is over another one, had begun behind it.
func (t *track) brokeOff(f *feed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.last
	return g != nil && g.is == broken && g.lost && f.resumed && f.from > g.Sequence() && f.again != g
}

// takeAgain passes on a group that was asked for again, when its reader knows
// that it broke off before.
func (f *feed) takeAgain(g api.GroupReader) {
	t, before := f.track, f.again
	over := t.whenOver(before)
	f.regained = make(chan struct{})
	t.session.wg.Go(func() {
		defer close(f.regained)
		select {
		case <-over:
		case <-f.life.Done():
		case <-t.ctx.Done():
		}
		out := newGroup(g, before.next.Load(), f.groupRead)
		if t.outcomeOf(before) == broken {
			f.hand(out)
		} else {
			out.Cancel(api.StreamCancelled)
		}
	})
}
