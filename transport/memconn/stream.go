package memconn

import "github.com/moqlite/moqlite/transport"

// A stream is one end of a bidirectional stream.
type stream struct {
	sendStream
	recvStream
}

var (
	_ transport.Stream        = (*stream)(nil)
	_ transport.SendStream    = (*sendStream)(nil)
	_ transport.ReceiveStream = (*recvStream)(nil)
	_ transport.Prioritizer   = (*sendStream)(nil)
)

// newBidi opens a bidirectional stream at c and makes the peer's end of it.
func newBidi(c *Conn) *stream {
	here, there := new(stream), new(stream)
	in := &incoming{conn: c.peer, bidi: there, left: 2}
	here.sendStream.init(c, &there.recvStream, nil)
	here.recvStream.init(c, &there.sendStream, nil)
	there.sendStream.init(c.peer, &here.recvStream, in)
	there.recvStream.init(c.peer, &here.sendStream, in)
	return here
}

// newUni opens a unidirectional stream at c and makes the peer's end of it.
func newUni(c *Conn) *sendStream {
	here, there := new(sendStream), new(recvStream)
	here.init(c, there, nil)
	there.init(c.peer, here, &incoming{conn: c.peer, uni: there, left: 1})
	return here
}

// incoming is the accepting side's record of a stream.
type incoming struct {
	conn *Conn
	bidi *stream     // the stream if it is bidirectional
	uni  *recvStream // the stream if it is unidirectional
	left int         // halves that have not ended
	// announced is true once the first frame has arrived.
	announced bool
}

// announce queues the stream for Accept when its first frame arrives. in is
// nil on the opener's side, where it does nothing.
func (in *incoming) announce() {
	if in == nil || in.announced {
		return
	}
	in.announced = true
	if in.uni != nil {
		in.conn.shared.OfferUni(in.uni)
		return
	}
	in.conn.shared.Offer(in.bidi)
}

// halfEnded counts an ended half. After both, it allows the opener another
// stream.
func (in *incoming) halfEnded() {
	if in == nil {
		return
	}
	if in.left--; in.left > 0 {
		return
	}
	kind := frameBidiCredit
	if in.uni != nil {
		kind = frameUniCredit
	}
	in.conn.send(frame{kind: kind})
}
