package qmux

import (
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// The two lowest bits of a stream's id (RFC 9000, section 2.1).
const (
	idServer = 1 // opened by the server
	idUni    = 2 // unidirectional
)

// A stream is this side's end of a stream. Of a unidirectional stream only one
// half is used.
type stream struct {
	sendStream
	recvStream
	conn     *Conn
	id       uint64
	assigned bool // id is set
	incoming bool // opened by the peer
	uni      bool
	left     int // halves that have not ended
}

var (
	_ transport.Stream        = (*stream)(nil)
	_ transport.SendStream    = (*sendStream)(nil)
	_ transport.ReceiveStream = (*recvStream)(nil)
	_ transport.Prioritizer   = (*sendStream)(nil)
)

// newStream makes a stream that this side opens. It gets its id when it first
// sends something, so that the peer sees streams in the order of their ids.
func (c *Conn) newStream(uni bool, sendMax, window uint64) *stream {
	s := &stream{conn: c, uni: uni, left: 1}
	s.sendStream.init(s, sendMax)
	if !uni {
		s.left = 2
		s.recvStream.init(s, window)
	}
	return s
}

// assign gives s its id, under which frames of the peer find it.
func (c *Conn) assign(s *stream) {
	if s.assigned {
		return
	}
	m, kind := &c.openBidi, uint64(0)
	if s.uni {
		m, kind = &c.openUni, idUni
	}
	if !c.client {
		kind |= idServer
	}
	s.id, s.assigned = m.next<<2|kind, true
	m.next++
	c.streams[s.id] = s
}

// A limiter counts the streams of one kind that this side opens.
type limiter struct {
	streams.Limit
	next uint64 // the sequence number of the next stream that sends
}

// full tells whether no stream may be opened until control frames were sent.
func (c *Conn) full() bool { return c.out.control.Len() >= maxControl }

// raise sets a limit to what the peer allows. It never lowers the limit.
func (c *Conn) raise(m *limiter, limit uint64) {
	m.Raise(limit)
	if !c.full() {
		m.Admit()
	}
}

// admit lets callers that wait to open streams go on. It is called when
// control frames were sent.
func (c *Conn) admit() {
	c.openBidi.Admit()
	c.openUni.Admit()
}

// An incomingLimit counts the streams of one kind that the peer may open.
type incomingLimit struct {
	max     uint64              // granted since the start
	next    uint64              // the lowest sequence number that is above all seen
	unseen  map[uint64]struct{} // lower sequence numbers that were not seen
	retired uint64              // streams that have ended since the last grant
}

// grant raises the limit by the streams that have ended, and returns the frame
// that tells the peer. The limit is not raised before that frame is about to
// be sent: otherwise a peer that reads nothing could make this side queue
// replies to any number of streams.
func (m *incomingLimit) grant(kind frameType) frame {
	m.max += m.retired
	m.retired = 0
	return frame{kind: kind, value: m.max}
}

// find returns the stream of a frame, which it accepts if it is new. It
// returns nil for a late frame of a stream that has ended.
func (c *Conn) find(id uint64) (*stream, error) {
	if s := c.streams[id]; s != nil {
		return s, nil
	}
	m, uni, seq := &c.inBidi, id&idUni != 0, id>>2
	if uni {
		m = &c.inUni
	}
	if ours := (id&idServer == 0) == c.client; ours {
		o := &c.openBidi
		if uni {
			o = &c.openUni
		}
		// A stream of this side: the frame is late, unless nothing was ever
		// sent on it.
		if seq >= o.next {
			return nil, errNoStream
		}
		return nil, nil
	}
	if seq >= m.max {
		return nil, errStreamLimit
	}
	if !m.see(seq) {
		return nil, nil
	}
	return c.accept(id, uni), nil
}

// see tells whether stream seq is new. Streams with lower numbers may arrive
// later.
func (m *incomingLimit) see(seq uint64) bool {
	if seq < m.next {
		_, ok := m.unseen[seq]
		delete(m.unseen, seq)
		return ok
	}
	// A peer may open streams out of order. The streams limit bounds how many
	// numbers are remembered as unseen.
	for ; m.next < seq; m.next++ {
		if m.unseen == nil {
			m.unseen = make(map[uint64]struct{})
		}
		m.unseen[m.next] = struct{}{}
	}
	m.next++
	return true
}

// accept makes a stream that the peer has opened, and queues it for the
// application.
// It never waits: the peer's limit bounds how many streams wait for the application.
func (c *Conn) accept(id uint64, uni bool) *stream {
	s := &stream{conn: c, id: id, assigned: true, incoming: true, uni: uni, left: 1}
	c.streams[id] = s
	if uni {
		s.recvStream.init(s, c.local.StreamDataUni)
		c.shared.OfferUni(&s.recvStream)
		return s
	}
	s.left = 2
	s.recvStream.init(s, c.local.StreamDataRemote)
	s.sendStream.init(s, c.peer.StreamDataLocal)
	c.shared.Offer(s)
	return s
}

// halfEnded counts an ended half. After both, it forgets the stream, and
// allows the peer another one if the stream was the peer's.
func (s *stream) halfEnded() {
	c := s.conn
	if s.left--; s.left > 0 || c.shared.Err() != nil {
		return
	}
	delete(c.streams, s.id)
	if !s.incoming {
		return
	}
	m := &c.inBidi
	if s.uni {
		m = &c.inUni
	}
	m.retired++
	c.cond.Signal()
}
