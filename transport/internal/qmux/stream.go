package qmux

import "github.com/moqlite/moqlite/transport"

// The two lowest bits of a stream's id.
const (
	idServer = 1 // the server has opened it
	idUni    = 2
)

// A stream is one end of a stream; of a unidirectional one, either half.
type stream struct {
	sendStream
	recvStream
	incoming bool // the peer has opened it
	uni      bool
	left     int // halves that have not ended
}

var (
	_ transport.Stream        = (*stream)(nil)
	_ transport.SendStream    = (*sendStream)(nil)
	_ transport.ReceiveStream = (*recvStream)(nil)
	_ transport.Prioritizer   = (*sendStream)(nil)
)

// newStream makes a stream of this side's. It has no id before it sends, so
// that streams are known to the peer in the order of their ids.
func (c *Conn) newStream(m *limiter, sendMax, window uint64) *stream {
	s := &stream{uni: m == &c.openUni, left: 1}
	s.initSend(c, s, sendMax)
	if !s.uni {
		s.left = 2
		s.initReceive(c, s, window)
	}
	return s
}

// assign gives s its id, and lets the peer's frames find it.
func (c *Conn) assign(s *sendStream) {
	if s.assigned {
		return
	}
	s.assigned = true
	m, kind := &c.openBidi, uint64(0)
	if s.stream.uni {
		m, kind = &c.openUni, idUni
	}
	if !c.client {
		kind |= idServer
	}
	id := m.next<<2 | kind
	m.next++
	s.stream.setID(id)
	c.streams[id] = s.stream
}

func (s *stream) setID(id uint64) { s.sendStream.id, s.recvStream.id = id, id }

// An incomingLimit is what the peer may open of a kind of streams.
type incomingLimit struct {
	max     uint64
	next    uint64              // the first that the peer has not used
	unseen  map[uint64]struct{} // ids below it of which nothing has come
	retired uint64              // for which it may open as many, but is not told yet
}

// grant lets the peer open streams for those that have retired. It must not
// before it is told: one that reads nothing could have answers of any number of
// streams wait for it.
func (m *incomingLimit) grant(kind frameType) frame {
	m.max += m.retired
	m.retired = 0
	return frame{kind: kind, value: m.max}
}

// find is the stream that a frame of the peer's is about. It is nil for one
// that has retired; the frame comes late then.
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

// see tells whether it is the first of stream seq. Those before it that have
// not come yet still may.
func (m *incomingLimit) see(seq uint64) bool {
	if seq < m.next {
		_, ok := m.unseen[seq]
		delete(m.unseen, seq)
		return ok
	}
	for ; m.next < seq; m.next++ {
		if m.unseen == nil {
			m.unseen = make(map[uint64]struct{})
		}
		m.unseen[m.next] = struct{}{}
	}
	m.next++
	return true
}

// accept makes a stream of the peer's, and queues it.
func (c *Conn) accept(id uint64, uni bool) *stream {
	s := &stream{incoming: true, uni: uni, left: 1}
	s.setID(id)
	s.assigned = true
	c.streams[id] = s
	if uni {
		s.initReceive(c, s, c.local.StreamDataUni)
		c.uni.Push(&s.recvStream)
		return s
	}
	s.left = 2
	s.initReceive(c, s, c.local.StreamDataRemote)
	s.initSend(c, s, c.peer.StreamDataLocal)
	c.bidi.Push(s)
	return s
}

// halfEnded forgets the stream once both halves have ended, and lets the peer
// open another for its own.
func (s *stream) halfEnded(c *Conn) {
	if s.left--; s.left > 0 || c.err != nil {
		return
	}
	delete(c.streams, s.sendStream.id)
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
