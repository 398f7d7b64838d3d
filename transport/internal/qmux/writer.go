package qmux

import (
	"slices"
	"time"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// maxPayload bounds the data of a STREAM frame in bytes, so that it fits in a
// message with the longest header.
const maxPayload = 16352

// minPayload is how much room a message with other frames must have for a
// STREAM frame to be added.
const minPayload = 256

// maxControl is how many control frames may be queued before streams can no
// longer be opened.
const maxControl = 4096

// An outbox holds what is to be sent, except for the data of streams. The
// control frames are bounded: there are at most two per stream, the peer can
// open no streams beyond its limit until the frames that raise the limit are
// sent, which go last, and this side opens none while maxControl frames are
// queued.
type outbox struct {
	control   waiting.FIFO[frame]
	grants    []*recvStream // streams whose credit is to be raised
	datagrams [][]byte
}

// params returns the transport parameters if they are not sent yet. Without
// them the peer does not understand a close.
func (o *outbox) params() []frame {
	if o.control.Len() > 0 && o.control.First().kind == frameParams {
		return []frame{*o.control.First()}
	}
	return nil
}

// control queues a control frame. It is sent before the data of streams.
func (c *Conn) control(f frame) {
	if c.shared.Err() == nil {
		c.out.control.Push(f)
		c.cond.Signal()
	}
}

// write is the writer goroutine. It sends messages until the connection ends,
// and then the close.
func (c *Conn) write() {
	defer close(c.done)
	buf := make([]byte, 0, MaxMessage)
	for {
		message, more := c.message(buf[:0])
		if !more {
			break
		}
		began := time.Now()
		if err := c.carrier.WriteMessage(message); err != nil {
			c.writeFailed(err)
		}
		// How long a write has taken tells how full the carrier is: there is no
		// other sign of it, whatever it runs over.
		c.pace.wrote(len(message), time.Since(began))
	}
	c.finish(buf[:0])
}

// writeFailed ends the connection because a write failed. It first waits for
// the reader to find a better reason, which is usually the peer's close.
func (c *Conn) writeFailed(err error) {
	// The carrier often reports that the peer is gone to the writer before the
	// reader has come to the peer's close.
	timer := time.NewTimer(linger / 2)
	defer timer.Stop()
	select {
	case <-c.Context().Done():
	case <-timer.C:
		c.lost(err)
	}
}

// finish sends the close, waits until the peer has ended the connection, and
// closes the carrier. It waits because a socket that is closed with unread
// data discards what it has not sent.
func (c *Conn) finish(buf []byte) {
	var err error
	for _, f := range c.last {
		if err == nil {
			err = c.carrier.WriteMessage(f.append(buf))
		}
	}
	if len(c.last) > 0 && err == nil {
		c.readers.Wait()
	}
	c.force.Stop()
	_ = c.carrier.Close()
	c.readers.Wait()
}

// message waits for something to send and returns a message, or false when the
// connection has ended. The message is filled only when the carrier is ready for
// it, so that it has what is the most urgent by then.
func (c *Conn) message(b []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.shared.Err() == nil {
		if b = c.fill(b); len(b) > 0 {
			c.stats.PacketsSent++
			c.stats.BytesSent += uint64(len(b))
			return b, true
		}
		c.cond.Wait()
	}
	return nil, false
}

// fill appends the frames of one message. The first frame is appended whatever
// its size.
func (c *Conn) fill(b []byte) []byte {
	for {
		f, ok := c.nextFrame(c.pace.limit()-len(b), len(b) == 0)
		if !ok {
			return b
		}
		b = f.append(b)
		if f.kind == frameStream && f.data != nil {
			c.taken(f)
		}
		if !c.version.records() {
			return b
		}
	}
}

// nextFrame returns the next frame that fits in room; first tells that the message
// is empty so far, in which case the frame is returned whatever its size. Credit
// for the peer goes before data, so that a side that sends much does not stall the
// other. A control frame or datagram that does not fit ends the message, so that no
// later frame overtakes it.
func (c *Conn) nextFrame(room int, first bool) (frame, bool) {
	o := &c.out
	if o.control.Len() > 0 {
		if !first && room < maxHeader+len(o.control.First().data) {
			return frame{}, false
		}
		f := o.control.Pop()
		// There is room again: openers wait since the queue was full.
		if o.control.Len() == maxControl-1 {
			c.admit()
		}
		return f, true
	}
	if !first && room < maxHeader {
		return frame{}, false
	}
	if f, ok := c.grant(); ok {
		return f, true
	}
	if len(o.datagrams) > 0 {
		p := o.datagrams[0]
		if !first && room < 5+len(p) {
			return frame{}, false
		}
		o.datagrams = slices.Delete(o.datagrams, 0, 1)
		return frame{kind: frameDatagramLen, data: p}, true
	}
	if room -= maxHeader; !first && room < minPayload {
		return frame{}, false
	}
	return c.chunk(room)
}

// maxHeader is the length of the longest frame without its data.
const maxHeader = 8 + 8 + 8 + 4

// grant returns the next frame that answers a ping, pings, or raises a limit.
func (c *Conn) grant() (frame, bool) {
	switch {
	case len(c.pings.answers) > 0:
		number := c.pings.answers[0]
		c.pings.answers = slices.Delete(c.pings.answers, 0, 1)
		return frame{kind: framePingResponse, value: number}, true
	case c.pings.due:
		return c.ping(), true
	case len(c.out.grants) > 0:
		r := c.out.grants[0]
		c.out.grants = slices.Delete(c.out.grants, 0, 1)
		return r.grant(), true
	case c.grantData:
		c.grantData = false
		c.recvMax += c.owed
		c.owed = 0
		return frame{kind: frameMaxData, value: c.recvMax}, true
	case c.inBidi.retired > 0:
		return c.inBidi.grant(frameMaxStreamsBidi), true
	case c.inUni.retired > 0:
		return c.inUni.grant(frameMaxStreamsUni), true
	}
	return frame{}, false
}

// chunk returns data of the next stream in the schedule. It aliases the
// stream's buffer until taken is called.
func (c *Conn) chunk(room int) (frame, bool) {
	credit := c.sendMax - c.sent
	if credit == 0 {
		return frame{}, false
	}
	s := c.schedule.next()
	if s == nil {
		return frame{}, false
	}
	n := min(uint64(len(s.pending())), s.max-s.offset, credit, uint64(min(room, maxPayload)))
	c.assign(s.stream)
	f := frame{kind: frameStream, id: s.stream.id, offset: s.offset, data: s.pending()[:n]}
	f.fin = s.Closed() && int(n) == len(s.pending())
	return f, true
}

// taken counts data as sent.
func (c *Conn) taken(f frame) {
	c.sent += uint64(len(f.data))
	c.streams[f.id].sendStream.taken(len(f.data), f.fin)
}
