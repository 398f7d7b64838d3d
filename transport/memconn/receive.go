package memconn

import "github.com/moqlite/moqlite/transport/internal/streams"

// A recvStream is the receiving half of a stream.
type recvStream struct {
	streams.ReceiveHalf
	conn *Conn
	peer *sendStream
	in   *incoming // nil on the opener's side
	owed int       // bytes read since the last grant of credit
}

var _ streams.Receiver = (*recvStream)(nil)

func (r *recvStream) init(c *Conn, peer *sendStream, in *incoming) {
	r.ReceiveHalf.Init(&c.shared, r)
	r.conn, r.peer, r.in = c, peer, in
}

// Freed implements [streams.Receiver]. It returns the connection's credit at
// once, since other streams may wait for it, and the stream's when all was
// read or a quarter of the window, so that the writer is not woken for less.
func (r *recvStream) Freed(n int) {
	r.conn.send(frame{kind: frameConnCredit, n: n})
	if r.owed += n; r.Open() && (r.Unread() == 0 || r.owed >= r.conn.config.StreamWindow/4) {
		r.conn.send(frame{kind: frameCredit, send: r.peer, n: r.owed})
		r.owed = 0
	}
}

// Refuse implements [streams.Receiver].
func (r *recvStream) Refuse(code uint64) {
	r.conn.send(frame{kind: frameStop, send: r.peer, code: code})
}

// Ended implements [streams.Receiver].
func (r *recvStream) Ended() { r.in.halfEnded() }
