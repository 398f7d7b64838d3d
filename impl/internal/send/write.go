package send

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A delivery is the state of one write. It belongs to the slot's holder, the
// goroutine that writes, which is also the one that opens the group's stream.
type delivery struct {
	most    int    // limit of taken
	taken   []byte // the bytes to be written, taken from the group
	shared  bool   // taken is a shared frame's memory rather than a pooled buffer
	written int    // how much of taken is written
	counted int    // how much of it the backlog counts
	late    bool   // opening the stream would block
}

// tryFlush takes the group's pending bytes, at most most, and writes them without
// blocking. It reports false if something is left to be written, or the stream
// could not be opened: the caller then calls flush. The caller ends the write with
// settle in either case.
func (g *Group) tryFlush(most int) bool {
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

// tryWrite writes the taken bytes without blocking, and reports whether nothing is
// left to do: all are written, or the group has failed.
func (g *Group) tryWrite() bool {
	if len(g.slot.out.taken) == 0 {
		return true
	}
	stream, ok := g.stream.(transport.TryWriter)
	return ok && g.wrote(stream.TryWrite(g.slot.out.taken))
}

// flush completes what tryFlush began. It blocks until the transport has taken the
// bytes or the group is over.
func (g *Group) flush() {
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

// take opens the group's stream if it has none, which blocks until ctx ends while
// the peer allows no more streams, and then takes the group's pending bytes. It
// takes nothing from a group that is over.
func (g *Group) take(ctx context.Context) error {
	out := &g.slot.out
	if g.stream != nil {
		g.mu.Lock()
		g.takePending(out)
		g.mu.Unlock()
		return nil
	}
	stream, err := g.lane.queue.host.OpenUniStream(ctx)
	if err != nil {
		return g.lane.queue.host.Lost(err)
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
		g.lane.queue.plain.Store(true)
	}
	if gone {
		stream.CancelWrite(uint64(api.StreamCancelled))
	}
	return nil
}

// takePending moves the pending bytes, at most out.most, from the group to out,
// along with how many of them the backlog counts. The lock is held.
func (g *Group) takePending(out *delivery) {
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

// wrote takes the result of a write to the stream, and reports whether nothing is
// left to do.
func (g *Group) wrote(n int, err error) bool {
	out := &g.slot.out
	out.written += n
	if err != nil {
		g.fail(g.lane.queue.host.Lost(err))
		return true
	}
	return out.written == len(out.taken)
}

// settle ends a write. more reports whether bytes are pending again, and closed
// whether the writer has closed the group. If it is closed and there is no more, the
// caller calls end.
func (g *Group) settle() (more, closed bool) {
	out := &g.slot.out
	if !out.shared {
		recycle(out.taken)
	}
	g.lane.backlog.remove(out.counted)
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

// end closes the stream and finishes the group. If the last write had to wait, the
// transport still holds the stream's last packet. The stream is then given the first
// urgency: the group no longer has a rank, and newer groups could overtake the
// packet for as long as there are any.
func (g *Group) end(waited bool) {
	if waited {
		prioritize(g.stream, g.lane.queue.first)
	}
	if err := g.stream.Close(); err != nil {
		g.fail(g.lane.queue.host.Lost(err))
		return
	}
	g.finish(Ending{Err: api.ErrClosed})
}

// lifeOf is a context that ends with the group, for calls that rarely block: the
// real context is only made when Done is called.
type lifeOf Group

func (l *lifeOf) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (l *lifeOf) Value(any) any { return nil }

func (l *lifeOf) Done() <-chan struct{} {
	return (*Group)(l).lifetime().Done()
}

func (l *lifeOf) Err() error {
	g := (*Group)(l)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return context.Canceled
	}
	return nil
}

// momentOf is a context for calls that must not block: it ends as soon as Done is
// called, and notes that in late.
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
