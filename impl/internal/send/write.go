package send

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// streamWait is how long a writer waits for the peer to allow a stream for a group that
// begins. After that a goroutine waits instead, and the group's next frames are
// gathered. A peer that keeps up allows the stream before that. So a publisher that is
// faster than its peer is slowed to the peer's pace, and no goroutine is started for it.
const streamWait = 10 * time.Millisecond

// A delivery is what a slot writes. It belongs to the goroutine that carries out the
// write, which also opens the group's stream.
type delivery struct {
	taken   []byte // the bytes to be written, taken from the group
	shared  bool   // taken is a shared frame's memory rather than a pooled buffer
	written int    // how much of taken is written
	counted int    // how much of it the backlog counts
	late    bool   // opening the stream would block
}

// try takes the group's pending bytes and writes what is possible without blocking. It
// reports whether the write is over: all is written, or the group has failed. Otherwise
// wait completes it.
func (s *slot) try() (over bool) {
	switch err := s.take((*noWait)(s)); {
	case err == nil:
		return s.tryWrite()
	case s.late:
		return false
	default:
		s.group.fail(err)
		return true
	}
}

// wait completes the write. It blocks until the transport has taken the bytes or the
// group is over.
func (s *slot) wait() {
	g := s.group
	if s.late {
		if err := s.take((*groupContext)(g)); err != nil {
			g.fail(err)
			return
		}
	}
	if rest := s.taken[s.written:]; len(rest) > 0 {
		s.wrote(g.stream.Write(rest))
	}
}

// waitHere is the part of wait for which the writer may block: it waits for a stream, no
// longer than streamWait; and for the transport to take a shared frame, until another
// group has something to send. It reports whether the write is over. Otherwise another
// goroutine calls wait.
func (s *slot) waitHere() (over bool) {
	switch {
	case s.shared:
		n, err := s.group.stream.Write(s.taken)
		if errors.Is(err, os.ErrDeadlineExceeded) && s.group.lane.queue.resume(s) {
			err = nil
		}
		return s.wrote(n, err)
	case s.late:
		return s.awaitStream() && (s.late || s.tryWrite())
	default:
		return false
	}
}

// awaitStream waits for a stream no longer than streamWait, and takes the group's
// pending bytes. It reports false when the time is up. If the group has failed, late
// stays set.
func (s *slot) awaitStream() bool {
	ctx, cancel := context.WithTimeout(s.group.lifetime(), streamWait)
	defer cancel()
	err := s.take(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return false
	}
	if err != nil {
		s.group.fail(err)
	}
	return true
}

// take opens the group's stream if it has none, which blocks until ctx ends while the
// peer allows no more streams, and then takes the group's pending bytes, of which writers
// are told. It takes nothing from a group that is over.
func (s *slot) take(ctx context.Context) error {
	g := s.group
	q := g.lane.queue
	var opened transport.SendStream
	if !g.stream.isOpen() {
		var err error
		if opened, err = q.host.OpenUniStream(ctx); err != nil {
			return q.host.Lost(err)
		}
		s.late = false
	}
	if !s.takeFrom(g, opened) {
		q.plain.Store(true)
	}
	g.lane.admission.wake()
	return nil
}

// takeFrom gives the group its stream, unless opened is nil, and moves its pending
// bytes, at most the queue's chunk, to the slot, along with how many of them the backlog
// counts. It reports false if the transport cannot prioritize the stream.
func (s *slot) takeFrom(g *Group, opened transport.SendStream) (ranked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ranked = true
	if opened != nil {
		g.stream = stream{opened}
		g.watch()
		ranked = g.stream.begin(g.urgency)
	}
	if g.done {
		if opened != nil {
			opened.CancelWrite(uint64(api.StreamCancelled))
		}
		return ranked
	}
	s.taken, s.counted = g.pending, g.counted
	g.pending, g.counted, g.uncounted = nil, 0, 0
	if most := g.lane.queue.chunk(); len(s.taken) > most {
		rest := s.taken[most:]
		g.pending = append(grow(nil, len(rest)), rest...)
		s.taken = s.taken[:most]
		g.counted = max(s.counted-most, 0)
		s.counted -= g.counted
	}
	return ranked
}

// tryWrite writes the taken bytes without blocking, and reports whether the write is
// over.
func (s *slot) tryWrite() (over bool) {
	if len(s.taken) == 0 {
		return true
	}
	return s.wrote(s.group.stream.tryWrite(s.taken))
}

// wrote notes the result of a write to the stream, and fails the group if that is an
// error. It reports whether the write is over.
func (s *slot) wrote(n int, err error) (over bool) {
	s.written += n
	if err != nil {
		s.group.fail(s.group.lane.queue.host.Lost(err))
		return true
	}
	return s.written == len(s.taken)
}

// settle frees the buffer of a write that is over, and removes its bytes from the backlog.
// more reports whether bytes are pending again, and closed whether the writer has closed
// the group. Both are false if the group is over.
func (s *slot) settle() (more, closed bool) {
	g := s.group
	if !s.shared {
		recycle(s.taken)
	}
	g.lane.admission.remove(s.counted)
	g.waited = s.waits
	g.mu.Lock()
	defer g.mu.Unlock()
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

// A groupContext is a context that ends with the group, for calls that rarely block: the
// real context is only made when Done is called.
type groupContext Group

func (c *groupContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (c *groupContext) Value(any) any { return nil }

func (c *groupContext) Done() <-chan struct{} {
	return (*Group)(c).lifetime().Done()
}

func (c *groupContext) Err() error {
	g := (*Group)(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return context.Canceled
	}
	return nil
}

// A noWait is a context for calls that must not block: it ends as soon as Done is called,
// which a call only does when it would block, and notes that in the slot's late.
type noWait slot

func (w *noWait) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (w *noWait) Value(any) any { return nil }

func (w *noWait) Done() <-chan struct{} {
	w.late = true
	return signal.Past()
}

func (w *noWait) Err() error {
	if w.late {
		return context.Canceled
	}
	return nil
}
