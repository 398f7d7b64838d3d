package qmux

import (
	"slices"

	"github.com/moqlite/moqlite/transport/internal/streams"
)

// A recvStream is the receiving half of a stream.
type recvStream struct {
	streams.ReceiveHalf
	stream *stream

	window   uint64 // how many unread bytes the stream may have
	offset   uint64 // how many bytes have arrived
	max      uint64 // the limit for offset granted to the peer
	owed     uint64 // bytes read since the last grant
	granting bool   // queued in outbox.grants
}

var _ streams.Receiver = (*recvStream)(nil)

// init sets the credit that the peer has from the start, which both sides know from
// the transport parameters.
func (r *recvStream) init(st *stream, window uint64) {
	r.ReceiveHalf.Init(&st.conn.shared, r)
	r.stream, r.window, r.max = st, window, window
}

// Freed implements [streams.Receiver]. It grants the peer new credit once a
// quarter of the window was read, to save frames.
func (r *recvStream) Freed(n int) {
	c := r.stream.conn
	c.giveBack(n)
	if !r.Open() {
		return
	}
	if r.owed += uint64(n); !r.granting && r.owed >= r.window/4 {
		r.granting = true
		c.out.grants = append(c.out.grants, r)
		c.cond.Signal()
	}
}

// grant raises the peer's limit by what was read, and returns the frame that
// tells it.
func (r *recvStream) grant() frame {
	r.max += r.owed
	r.owed, r.granting = 0, false
	return frame{kind: frameMaxStreamData, id: r.stream.id, value: r.max}
}

// giveBack grants the peer credit for n more bytes on the connection. The peer
// is told when a quarter of the window has been read, or when its credit runs
// low: the unread data of other streams may use up the rest.
func (c *Conn) giveBack(n int) {
	c.owed += uint64(n)
	quarter := c.local.MaxData / 4
	if !c.grantData && (c.owed >= quarter || c.recvMax-c.received < quarter) {
		c.grantData = true
		c.cond.Signal()
	}
}

// Refuse implements [streams.Receiver]. It asks the peer to stop, even on a stream on
// which this side has sent nothing yet, and which therefore has no id.
func (r *recvStream) Refuse(code uint64) {
	c := r.stream.conn
	c.assign(r.stream)
	c.control(frame{kind: frameStopSending, id: r.stream.id, code: code})
}

// Ended implements [streams.Receiver].
func (r *recvStream) Ended() { r.stream.halfEnded() }

// onData handles a STREAM frame. The carrier keeps the order of frames, so an
// offset in it must be the expected one.
func (r *recvStream) onData(f *frame) error {
	switch {
	case r.WasReset():
		return errAfterEnd
	case f.hasOffset && f.offset != r.offset:
		return errOffset
	case r.Final() && (len(f.data) > 0 || !f.fin):
		return errAfterEnd
	case r.Final():
		return nil
	}
	if err := r.count(uint64(len(f.data))); err != nil {
		return err
	}
	r.Data(f.data, f.fin)
	r.dropGrant()
	return nil
}

// count uses up n bytes of the credit of the stream and of the connection. A peer
// that sends more than it was granted violates the protocol.
func (r *recvStream) count(n uint64) error {
	c := r.stream.conn
	if n > r.max-r.offset || n > c.recvMax-c.received {
		return errFlowControl
	}
	r.offset += n
	c.received += n
	return nil
}

// onReset handles RESET_STREAM. A final size below the number of bytes that
// have arrived is accepted, as the reference implementations do, since some
// peers do not count.
func (r *recvStream) onReset(code, size uint64) error {
	if size > r.offset {
		if r.Final() {
			return errFinalSize
		}
		// Bytes up to the final size use up credit even if they never arrive
		// (RFC 9000, section 4.5). Nobody will read them: give it back.
		missing := size - r.offset
		if err := r.count(missing); err != nil {
			return err
		}
		r.stream.conn.giveBack(int(missing))
	}
	r.Reset(code)
	r.dropGrant()
	return nil
}

// dropGrant removes a queued grant once the peer sends no more.
func (r *recvStream) dropGrant() {
	if r.granting && r.Final() {
		r.granting = false
		grants := &r.stream.conn.out.grants
		i := slices.Index(*grants, r)
		*grants = slices.Delete(*grants, i, i+1)
	}
}
