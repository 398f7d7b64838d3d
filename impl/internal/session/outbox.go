package session

import (
	"net"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// maxDrops bounds the runs of lost groups of one cause that a subscriber has not
// been told of. It takes a peer that reads nothing, and a track of which every
// other group is lost, to reach it.
const maxDrops = 1024

// An outbox writes to a control stream for callers that must not wait for the
// peer. A goroutine, which lives while there is something to write, writes it.
// What waits is bounded: lost groups are merged, of updates the newest is left,
// and other messages are said once.
type outbox struct {
	session *Session
	stream  *stream

	mu      sync.Mutex
	said    []byte   // messages, in order
	drops   []losses // which follow, in order of their numbers
	update  appender // which follows, if not nil
	fin     bool     // and the end of our half
	writing bool     // somebody writes
	err     error    // why nothing is written any more
}

// losses are groups that will not come, for one reason.
type losses struct {
	numbers.Span
	code api.StreamErrorCode
}

// message tells the subscriber.
func (l losses) message() *message.SubscribeDrop {
	return &message.SubscribeDrop{Start: uint64(l.Start), End: uint64(l.End - 1), Error: uint64(l.code)}
}

// say has m written after what was said before.
func (o *outbox) say(m appender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return
	}
	o.said = m.Append(o.session.version, o.appendDrops(o.said))
	o.begin()
}

// replace has m written instead of the update that waits, if one does.
func (o *outbox) replace(m appender) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return o.err
	}
	o.update = m
	o.begin()
	return nil
}

// drop has the subscriber told of lost groups, of which it was not told before.
// It reports false, once, when there are too many to be kept: nothing is written
// any more then.
func (o *outbox) drop(l losses) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return true
	}
	i := len(o.drops)
	for i > 0 && o.drops[i-1].Start > l.Start {
		i--
	}
	if i > 0 && o.drops[i-1].joins(l) {
		i--
		o.drops[i].End = l.End
	} else {
		o.drops = slices.Insert(o.drops, i, l)
	}
	if i+1 < len(o.drops) && o.drops[i].joins(o.drops[i+1]) {
		o.drops[i].End = o.drops[i+1].End
		o.drops = slices.Delete(o.drops, i+1, i+2)
	}
	if len(o.drops) > maxDrops {
		o.abandon(api.ErrTooFarBehind)
		return false
	}
	o.begin()
	return true
}

// joins tells whether next goes on where l ends.
func (l losses) joins(next losses) bool { return l.End == next.Start && l.code == next.code }

// finish ends our half of the stream after what was said, for which the peer has
// as long as for a first message.
func (o *outbox) finish() {
	o.mu.Lock()
	if o.err != nil || o.fin {
		o.mu.Unlock()
		return
	}
	o.fin, o.update = true, nil
	mine, empty := !o.writing, len(o.said)+len(o.drops) == 0
	o.writing = true
	o.mu.Unlock()
	_ = o.stream.SetWriteDeadline(o.session.in(o.session.limits.setup))
	switch {
	case mine && empty:
		o.write() // which has the end alone to tell
	case mine:
		o.session.spawn(o.write)
	}
}

// begin has what waits written, if nobody writes. The lock is held.
func (o *outbox) begin() {
	if !o.writing {
		o.writing = o.session.spawn(o.write)
	}
}

// write writes until nothing waits.
func (o *outbox) write() {
	var buf []byte
	for {
		var fin bool
		if buf, fin = o.take(buf[:0]); len(buf) == 0 {
			if fin {
				_ = o.stream.Close()
			}
			return
		}
		if _, err := o.stream.Write(buf); err != nil {
			if late(err) {
				o.stream.CancelWrite(uint64(api.StreamControlTimeout))
			}
			o.mu.Lock()
			o.abandon(streamError(err)) // whoever reads the stream sees its end
			o.mu.Unlock()
			return
		}
	}
}

// take takes out what waits; buf is memory to use again. When that is nothing it
// tells whether the stream's end is next, and the caller does not write any more.
func (o *outbox) take(buf []byte) (b []byte, fin bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, o.said = o.appendDrops(o.said), buf
	if o.update != nil {
		b, o.update = o.update.Append(o.session.version, b), nil
	}
	if len(b) > 0 {
		return b, false
	}
	o.writing = false
	if o.fin {
		o.abandon(net.ErrClosed)
	}
	return nil, o.fin
}

// appendDrops moves the drops that wait to b. The lock is held.
func (o *outbox) appendDrops(b []byte) []byte {
	for _, l := range o.drops {
		b = l.message().Append(o.session.version, b)
	}
	o.drops = o.drops[:0]
	return b
}

// abandon has nothing written any more, and says why. The lock is held.
func (o *outbox) abandon(err error) {
	if o.err == nil {
		o.err = err
	}
	o.said, o.drops, o.update = nil, nil, nil
}
