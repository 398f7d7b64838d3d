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

// maxDrops is how many gaps may wait in an outbox. Only a peer that reads nothing, and a
// track that loses every other group, can reach it.
const maxDrops = 1024

// A Host is what an outbox needs of the session whose stream it writes.
type Host interface {
	// Spawn runs f in a goroutine that the session waits for. It reports false,
	// and does not run f, when the session has ended.
	Spawn(f func()) bool

	// ControlDeadline is the time until which the peer has to read what is written
	// to it now.
	ControlDeadline() time.Time

	// StreamError translates an error of the transport to one of package api.
	StreamError(err error) error
}

// An Outbox is a bounded queue of the messages to be written to one stream, for callers
// that must not wait for the peer. A goroutine writes them; it runs only while there are
// any. The queue is bounded because gaps are merged, only the newest update is kept, and
// each other message of a subscription is queued once. The methods may be called from
// several goroutines.
type Outbox struct {
	host   Host
	stream *Stream

	mu      sync.Mutex
	queued  []byte       // encoded messages, written first
	drops   numbers.Gaps // written next, as SUBSCRIBE_DROP
	update  Appender     // written next, if not nil
	fin     bool         // our half is ended after all of these
	writing bool         // the goroutine runs
	err     error        // why nothing is written any more; nil while it is
}

// Init sets up an outbox for a stream, before any other call.
func (o *Outbox) Init(h Host, st *Stream) { o.host, o.stream = h, st }

// Put queues m, after the messages and gaps that are queued.
func (o *Outbox) Put(m Appender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return
	}
	o.queued = m.Append(o.stream.version, o.appendDrops(o.queued))
	o.startWriting()
}

// Update queues m in place of a queued update. It returns an error if the outbox no longer
// writes.
func (o *Outbox) Update(m Appender) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return o.err
	}
	o.update = m
	o.startWriting()
	return nil
}

// Drop queues a SUBSCRIBE_DROP for the groups of g, with the stream code of their cause
// (moq-lite-03 to 06). Each group is passed to it at most once. Drop reports false, once,
// when too many gaps are queued: the outbox then no longer writes.
func (o *Outbox) Drop(g api.Gap) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.fin {
		return true
	}
	g.Err = &api.StreamError{Code: dropCode(g.Err)} // gaps with the same code can be merged
	o.drops.Add(g)
	if len(o.drops.All()) > maxDrops {
		o.abandon(api.ErrTooFarBehind)
		return false
	}
	o.startWriting()
	return true
}

// Finish ends our half of the stream after all that is queued, except a queued update. The
// peer has to read it by the host's deadline.
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
		o.write() // it only ends the half, and does not block
	case mine:
		o.host.Spawn(o.write)
	}
}

// startWriting starts the goroutine that writes, unless it runs. The lock is held.
func (o *Outbox) startWriting() {
	if !o.writing {
		o.writing = o.host.Spawn(o.write)
	}
}

// write writes until nothing is queued.
func (o *Outbox) write() {
	var buf []byte
	for {
		var fin bool
		if buf, fin = o.dequeue(buf[:0]); len(buf) == 0 {
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
			o.abandon(o.host.StreamError(err)) // the goroutine that reads the stream gets an error too
			o.mu.Unlock()
			return
		}
	}
}

// dequeue removes and returns all that is queued, and keeps the memory of buf for later
// messages. If nothing is queued, fin tells whether to end our half, and the caller stops
// writing.
func (o *Outbox) dequeue(buf []byte) (b []byte, fin bool) {
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

// appendDrops appends the queued gaps to b as messages. The lock is held.
func (o *Outbox) appendDrops(b []byte) []byte {
	for _, g := range o.drops.Take() {
		b = DropMessage(g).Append(o.stream.version, b)
	}
	return b
}

// DropMessage returns the SUBSCRIBE_DROP for a gap that is not empty (moq-lite-03 to 06).
func DropMessage(g api.Gap) *message.SubscribeDrop {
	return &message.SubscribeDrop{Start: uint64(g.Start), End: uint64(g.End - 1), Error: uint64(dropCode(g.Err))}
}

// dropCode returns the stream code for the cause of a gap: for an unknown cause, that of
// groups that do not exist.
func dropCode(err error) api.StreamErrorCode {
	if err == nil {
		return api.StreamNotFound
	}
	return api.ErrorCode(err)
}

// abandon empties the queue, and makes err the reason why nothing is written any more. The
// lock is held.
func (o *Outbox) abandon(err error) {
	if o.err == nil {
		o.err = err
	}
	o.queued, o.drops, o.update = nil, numbers.Gaps{}, nil
}
