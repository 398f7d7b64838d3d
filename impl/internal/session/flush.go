package session

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// A delivery is what is being written of a group. It is of the goroutine that
// holds the group's slot.
type delivery struct {
	stream  transport.SendStream // nil until there is one
	most    int                  // to take
	taken   []byte               // from the group,
	written int                  // of it, to the stream
	counted int                  // of it, in the backlog
	waits   bool                 // the stream would have to be waited for
}

// tryFlush writes what is pending, up to most bytes, as far as the transport
// takes it at once. It reports false when that is not all: flush has to follow.
// settle ends the write either way.
func (g *groupWriter) tryFlush(most int) bool {
	g.out = delivery{most: most, stream: g.stream}
	if err := g.open((*momentOf)(&g.out)); err != nil {
		if g.out.waits {
			return false
		}
		g.fail(err)
		return true
	}
	if !g.take() {
		return true
	}
	stream, ok := g.out.stream.(transport.TryWriter)
	return ok && g.wrote(stream.TryWrite(g.out.taken))
}

// flush goes on with what tryFlush has begun, waiting for the transport, but
// no longer than for the group.
func (g *groupWriter) flush() {
	if g.out.stream == nil {
		if err := g.open((*lifeOf)(g)); err != nil {
			g.fail(err)
			return
		}
		if !g.take() {
			return
		}
	}
	g.wrote(g.out.stream.Write(g.out.taken[g.out.written:]))
}

// open sees to the group's stream. It opens it at first, for which the peer's
// limit may have to be waited for.
func (g *groupWriter) open(ctx context.Context) error {
	if g.out.stream != nil {
		return nil
	}
	stream, err := g.flow.session.conn.OpenUniStream(ctx)
	if err != nil {
		return g.flow.session.heed(err)
	}
	g.mu.Lock()
	g.stream, g.out.stream = stream, stream
	gone, urgency := g.done, g.urgency
	g.watch()
	ranked := prioritize(stream, urgency)
	g.mu.Unlock()
	if !ranked {
		g.flow.session.egress.plain.Store(true)
	}
	if gone {
		stream.CancelWrite(uint64(api.StreamCancelled))
	}
	return nil
}

// take takes what is to be written out of the group. It reports false when
// that is nothing.
func (g *groupWriter) take() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return false
	}
	g.out.taken, g.out.counted = g.takePending(g.out.most)
	g.room.Broadcast()
	return len(g.out.taken) > 0
}

// takePending takes out what is pending, up to most bytes, and how much of it
// counts in the backlog. The lock is held.
func (g *groupWriter) takePending(most int) (buf []byte, counted int) {
	buf = g.pending
	if len(buf) <= most {
		counted = g.counted
		g.pending, g.spare, g.counted = g.spare[:0], nil, 0
		return buf, counted
	}
	rest := buf[most:]
	g.pending = append(grow(g.spare[:0], len(rest)), rest...)
	g.spare = nil
	counted = min(g.counted, most)
	g.counted -= counted
	return buf[:most], counted
}

// wrote takes in how a write went, and tells whether nothing is left to do.
func (g *groupWriter) wrote(n int, err error) bool {
	g.out.written += n
	if err != nil {
		g.fail(g.flow.session.heed(err))
		return true
	}
	return g.out.written == len(g.out.taken)
}

// settle ends a write. It tells whether there is more to be written, and whether
// the group is closed: if there is no more then, end has to follow.
func (g *groupWriter) settle() (more, closed bool) {
	out := g.out
	g.out = delivery{stream: out.stream}
	g.flow.backlog.remove(out.counted)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		recycle(out.taken)
		return false, false
	}
	if len(g.pending) > 0 {
		g.spare = out.taken[:0]
		return true, g.closed
	}
	// While nothing is written, others may have the memory.
	recycle(g.pending)
	g.pending = recycle(out.taken)
	g.queued = false
	return false, g.closed
}

// end ends the stream in order. Of one that had to wait, the transport holds the
// last packet yet: that goes first, since nobody else asks for it any more, and
// newer groups would outrank it for as long as there are some.
func (g *groupWriter) end(waited bool) {
	if waited {
		prioritize(g.out.stream, firstUrgency)
	}
	if err := g.out.stream.Close(); err != nil {
		g.fail(streamError(err))
		return
	}
	g.finish(ending{err: api.ErrClosed})
}

// endAlone ends the stream in order, where all else has been written.
func (g *groupWriter) endAlone() {
	g.out.stream = g.stream
	g.end(false)
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
	m.waits = true
	return past
}

func (m *momentOf) Err() error {
	if m.waits {
		return context.Canceled
	}
	return nil
}

// past is over.
var past = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
