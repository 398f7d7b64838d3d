package qmux

import (
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// sendBuffer is how many unsent bytes a stream buffers: one message, so that
// the writer has something to send while the caller of Write wakes up.
const sendBuffer = 16 << 10

// A sendStream is the sending half of a stream. Write copies to its buffer,
// and blocks while that is full.
type sendStream struct {
	streams.SendHalf
	stream *stream

	buf    []byte
	head   int    // how much of buf was sent
	offset uint64 // how much of the stream was sent
	max    uint64 // the peer's limit for offset

	urgency     int8   // 0 to 7; the lowest goes first
	incremental bool   // takes turns with others of its urgency
	scheduled   bool   // it is in the scheduler
	age         uint64 // counts up over the streams of the connection: the oldest has the lowest
}

var _ streams.Sender = (*sendStream)(nil)

// init sets the limit up to which the peer lets the stream send from the start.
func (s *sendStream) init(st *stream, limit uint64) {
	c := st.conn
	s.SendHalf.Init(&c.shared, s)
	s.stream, s.max = st, limit
	s.urgency, s.incremental = transport.DefaultUrgency, true
	c.ages++
	s.age = c.ages
}

// pending returns the bytes that are buffered and not sent.
func (s *sendStream) pending() []byte { return s.buf[s.head:] }

// Take implements [streams.Sender]. It takes as much as fits in the buffer; the
// caller waits with the rest until taken has made room.
func (s *sendStream) Take(p []byte) int {
	n := min(len(p), sendBuffer-len(s.pending()))
	if n > 0 {
		s.keep(p[:n])
	}
	return n
}

// keep appends p to the buffer. It moves what is not sent to the front rather than
// let the buffer grow.
func (s *sendStream) keep(p []byte) {
	if s.head > 0 && len(s.buf)+len(p) > cap(s.buf) {
		s.buf = s.buf[:copy(s.buf, s.pending())]
		s.head = 0
	}
	s.buf = append(s.buf, p...)
	s.offer()
}

// offer adds the stream to the schedule if it has data that may be sent.
func (s *sendStream) offer() {
	if len(s.pending()) > 0 && s.offset < s.max && !s.Told() {
		s.stream.conn.schedule.add(s)
		s.stream.conn.cond.Signal()
	}
}

// taken is called when the writer has taken n bytes, and the end if fin is
// true.
func (s *sendStream) taken(n int, fin bool) {
	s.offset += uint64(n)
	if s.head += n; s.head == len(s.buf) {
		s.buf, s.head = s.buf[:0], 0
	}
	if fin {
		s.tell()
		return
	}
	s.Wake()
	s.offer()
}

// Finish implements [streams.Sender]. Behind data that is not sent yet, the
// end goes with the last of it.
func (s *sendStream) Finish() {
	if len(s.pending()) > 0 {
		return
	}
	c := s.stream.conn
	c.assign(s.stream)
	c.control(frame{kind: frameStream, id: s.stream.id, offset: s.offset, fin: true})
	s.tell()
}

// Reset implements [streams.Sender]. Data that was not sent is dropped, so the final
// size is what was sent.
func (s *sendStream) Reset(code uint64) {
	if s.Told() {
		return
	}
	c := s.stream.conn
	c.schedule.remove(s)
	c.assign(s.stream)
	c.control(frame{kind: frameResetStream, id: s.stream.id, code: code, value: s.offset})
	s.tell()
}

// tell records that the end or reset was queued. Nothing is sent after it.
func (s *sendStream) tell() {
	s.buf, s.head = nil, 0
	s.Tell()
}

// Ended implements [streams.Sender].
func (s *sendStream) Ended() {
	s.buf, s.head, s.scheduled = nil, 0, false
	s.stream.halfEnded()
}

// SetPriority sets the priority, which applies from the next chunk on.
// A scheduled stream moves to its new place at once: waiting for its next turn at the
// old one could take as long as everything before it.
func (s *sendStream) SetPriority(urgency int8, incremental bool) {
	c := s.stream.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	scheduled := s.scheduled
	c.schedule.remove(s)
	s.urgency, s.incremental = min(max(urgency, 0), urgencies-1), incremental
	if scheduled {
		c.schedule.add(s)
	}
}

// onStop handles STOP_SENDING, which it answers with RESET_STREAM.
func (s *sendStream) onStop(code uint64) {
	if !s.Refused(code) {
		s.Reset(code) // of what was not sent before a Close
	}
}

// onLimit handles MAX_STREAM_DATA.
func (s *sendStream) onLimit(limit uint64) {
	if limit > s.max {
		s.max = limit
		s.offer()
	}
}
