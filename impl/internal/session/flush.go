package session

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A delivery is what is being written of a group. It is of the goroutine that
// has the group's slot, which is also the one to open the group's stream.
type delivery struct {
	most    int    // to take
	taken   []byte // from the group,
	shared  bool   // with others, or else a buffer
	written int    // of it, to the stream
	counted int    // of it, in the backlog
	late    bool   // the stream would have to be waited for
}

// tryFlush writes what is pending, up to most bytes, as far as the transport
// takes it at once. It reports false when that is not all: flush has to follow.
// settle ends the write either way.
func (g *groupWriter) tryFlush(most int) bool {
	out := &g.slot.out
	*out = delivery{most: most}
	err := g.take((*momentOf)(out))
	switch {
	case err != nil && out.late:
		return false
	case err != nil:
		g.fail(err)
		return true
	}
	return g.tryWrite()
}

// tryWrite writes what was taken, as far as the transport takes it at once, and
// tells whether that is all.
func (g *groupWriter) tryWrite() bool {
	if len(g.slot.out.taken) == 0 {
		return true
	}
	stream, ok := g.stream.(transport.TryWriter)
	return ok && g.wrote(stream.TryWrite(g.slot.out.taken))
}

// flush goes on with what tryFlush has begun, waiting for the transport, but
// no longer than for the group.
func (g *groupWriter) flush() {
	out := &g.slot.out
	if out.late {
		if err := g.take((*lifeOf)(g)); err != nil {
			g.fail(err)
			return
		}
	}
	if rest := out.taken[out.written:]; len(rest) > 0 {
		g.wrote(g.stream.Write(rest))
	}
}

// take takes what is to be written out of the group, nothing if it is over, and
// opens its stream before that, for which the peer's limit may have to be
// waited for.
func (g *groupWriter) take(ctx context.Context) error {
	out := &g.slot.out
	if g.stream != nil {
		g.mu.Lock()
		g.takePending(out)
		g.mu.Unlock()
		return nil
	}
	stream, err := g.flow.session.conn.OpenUniStream(ctx)
	if err != nil {
		return g.flow.session.heed(err)
	}
	g.mu.Lock()
	g.stream = stream
	g.watch()
	ranked := opened(stream, g.urgency)
	g.takePending(out)
	gone := g.done
	g.mu.Unlock()
	out.late = false
	if !ranked {
		g.flow.egress.plain.Store(true)
	}
	if gone {
		stream.CancelWrite(uint64(api.StreamCancelled))
	}
	return nil
}

// takePending takes out what is pending, up to out.most bytes, and how much of
// it counts in the backlog. The lock is held.
func (g *groupWriter) takePending(out *delivery) {
	if g.done {
		return
	}
	out.taken, out.counted = g.pending, g.counted
	g.pending, g.counted = nil, 0
	if len(out.taken) > out.most {
		rest := out.taken[out.most:]
		g.pending = append(grow(nil, len(rest)), rest...)
		out.taken = out.taken[:out.most]
		g.counted = max(out.counted-out.most, 0)
		out.counted -= g.counted
	}
	g.roomMade()
}

// wrote takes in how a write went, and tells whether nothing is left to do.
func (g *groupWriter) wrote(n int, err error) bool {
	out := &g.slot.out
	out.written += n
	if err != nil {
		g.fail(g.flow.session.heed(err))
		return true
	}
	return out.written == len(out.taken)
}

// settle ends a write. It tells whether there is more to be written, and whether
// the group is closed: if there is no more then, end has to follow.
func (g *groupWriter) settle() (more, closed bool) {
	out := &g.slot.out
	if !out.shared {
		recycle(out.taken)
	}
	g.flow.backlog.remove(out.counted)
	*out = delivery{}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waited = g.slot.waits
	switch {
	case g.done:
		return false, false
	case len(g.pending) > 0:
		return true, g.closed
	default:
		g.queued = false
		return false, g.closed
	}
}

// end ends the stream in order. Of one that had to wait, the transport holds the
// last packet yet: that goes first, since nobody else asks for it any more, and
// newer groups would outrank it for as long as there are some.
func (g *groupWriter) end(waited bool) {
	if waited {
		prioritize(g.stream, g.flow.egress.first)
	}
	if err := g.stream.Close(); err != nil {
		g.fail(streamError(err))
		return
	}
	g.finish(ending{err: api.ErrClosed})
}

// lifeOf is the life of a group, for calls that mostly do not wait: it is made
// a context when it is waited for.
type lifeOf groupWriter

func (l *lifeOf) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (l *lifeOf) Value(any) any { return nil }

func (l *lifeOf) Done() <-chan struct{} {
	return (*groupWriter)(l).lifetime().Done()
}

func (l *lifeOf) Err() error {
	g := (*groupWriter)(l)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return context.Canceled
	}
	return nil
}

// momentOf is the life of a delivery for calls that must not wait: it ends when
// it is waited for.
type momentOf delivery

func (m *momentOf) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (m *momentOf) Value(any) any { return nil }

func (m *momentOf) Done() <-chan struct{} {
	m.late = true
	return signal.Past()
}

func (m *momentOf) Err() error {
	if m.late {
		return context.Canceled
	}
	return nil
}
