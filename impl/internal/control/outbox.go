package control

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// maxDrops bounds the runs of lost groups of one cause that a subscriber has not
// been told of. It takes a peer that reads nothing, and a track of which every
// other group is lost, to reach it.
const maxDrops = 1024

// A Host is what an outbox needs of the session whose stream it writes.
type Host interface {
	// Spawn runs f in a goroutine that the session waits for. It reports false,
	// and does not run f, when the session has ended.
	Spawn(f func()) bool

	// ControlDeadline is until when a peer may take its time with what it is
	// due to read or to say now.
	ControlDeadline() time.Time

	// StreamError translates an error of the transport to one of package api.
	StreamError(err error) error
}

// An Outbox writes the messages of one stream for callers that must not wait for
// the peer. A goroutine, which lives while there is something to write, writes
// them. What waits is bounded: lost groups are merged, of updates the newest is
// kept, and the few other messages of a subscription are put in once each. Its
// methods may be called from several goroutines.
type Outbox struct {
	host   Host
	stream *Stream

	mu      sync.Mutex
	queued  []byte       // messages, in order
	drops   numbers.Gaps // to be told after them
	update  Appender     // to be told after these, if not nil
	fin     bool         // and then the end of our half
	writing bool         // the goroutine runs
	err     error        // why nothing is written any more
}

// Init sets up an outbox for a stream, before any other call.
func (o *Outbox) Init(h Host, st *Stream) { o.host, o.stream = h, st }

// Put has m written after all that was put in before.
func (o *Outbox) Put(m Appender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return
	}
	o.queued = m.Append(o.stream.version, o.appendDrops(o.queued))
	o.begin()
}

// Update has m written in place of the update that waits, if one does. Its error
// is why nothing is written any more.
func (o *Outbox) Update(m Appender) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return o.err
	}
	o.update = m
	o.begin()
	return nil
}

// Drop has the subscriber told of lost groups, of which it was not told before:
// SUBSCRIBE_DROP, with the stream code of their cause (moq-lite-03 to 06). Drop
// reports false, once, when there are too many runs of them to be kept: nothing
// is written any more then.
func (o *Outbox) Drop(g api.Gap) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return true
	}
	g.Err = &api.StreamError{Code: dropCode(g.Err)} // what the peer is told is one cause
	o.drops.Add(g)
	if len(o.drops.All()) > maxDrops {
		o.abandon(api.ErrTooFarBehind)
		return false
	}
	o.begin()
	return true
}

// Finish ends our half of the stream after all that was put in, for which the
// peer has until the host's deadline.
func (o *Outbox) Finish() {
	o.mu.Lock()
	if o.err != nil || o.fin {
		o.mu.Unlock()
		return
	}
	o.fin, o.update = true, nil
	mine, empty := !o.writing, len(o.queued)+len(o.drops.All()) == 0
	o.writing = true
	o.mu.Unlock()
	_ = o.stream.SetWriteDeadline(o.host.ControlDeadline())
	switch {
	case mine && empty:
		o.write() // which only has to end the half, and does not block
	case mine:
		o.host.Spawn(o.write)
	}
}

// begin starts the goroutine that writes, unless it runs. The lock is held.
func (o *Outbox) begin() {
	if !o.writing {
		o.writing = o.host.Spawn(o.write)
	}
}

// write writes until nothing waits.
func (o *Outbox) write() {
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
			if errors.Is(err, os.ErrDeadlineExceeded) {
				o.stream.CancelWrite(uint64(api.StreamControlTimeout))
			}
			o.mu.Lock()
			o.abandon(o.host.StreamError(err)) // the goroutine that reads the stream sees its end
			o.mu.Unlock()
			return
		}
	}
}

// take takes out what waits; buf is memory to use again. When nothing waits, take
// tells whether the stream's end is next, and the caller writes no more.
func (o *Outbox) take(buf []byte) (b []byte, fin bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, o.queued = o.appendDrops(o.queued), buf
	if o.update != nil {
		b, o.update = o.update.Append(o.stream.version, b), nil
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
func (o *Outbox) appendDrops(b []byte) []byte {
	for _, g := range o.drops.Take() {
		b = DropMessage(g).Append(o.stream.version, b)
	}
	return b
}

// DropMessage is the SUBSCRIBE_DROP of a gap that is not empty (moq-lite-03 to 06).
func DropMessage(g api.Gap) *message.SubscribeDrop {
	return &message.SubscribeDrop{Start: uint64(g.Start), End: uint64(g.End - 1), Error: uint64(dropCode(g.Err))}
}

// dropCode is the code that tells why groups are lost. Where that is not known,
// they are not there.
func dropCode(err error) api.StreamErrorCode {
	if err == nil {
		return api.StreamNotFound
	}
	return api.ErrorCode(err)
}

// abandon stops all writing, for a reason. The lock is held.
func (o *Outbox) abandon(err error) {
	if o.err == nil {
		o.err = err
	}
	o.queued, o.drops, o.update = nil, numbers.Gaps{}, nil
}
