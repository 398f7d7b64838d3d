package wtconn

import (
	"context"
	"io"
	"time"

	"github.com/quic-go/quic-go/quicvarint"
)

const (
	// identifyTimeout is how long a stream may take to send its type and
	// session.
	identifyTimeout = 5 * time.Second

	// peekWait is how long the accepting goroutine itself waits for them, while
	// the next streams wait too. Usually they have arrived with the stream.
	peekWait = 200 * time.Microsecond

	// maxUnidentified is how many streams may be waited for at once.
	maxUnidentified = 256
)

// A streamKind says to whom a stream belongs.
type streamKind int

const (
	kindRefused streamKind = iota // to nobody
	kindHTTP                      // to HTTP/3
	kindSession                   // to the session
)

// A peeker is a receiving half whose first bytes can be read without consuming
// them.
type peeker interface {
	io.Reader
	Peek([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// acceptUni accepts the server's unidirectional streams and passes them to the
// session or to HTTP/3. A stream whose first bytes have arrived with it costs
// no goroutine.
func (c *clientConn) acceptUni() {
	var head [16]byte
	for {
		s, err := c.quic.AcceptUniStream(context.Background())
		if err != nil {
			return
		}
		if c.hasSessionPrefix(s, head[:]) {
			if !c.uni.push(s) {
				s.CancelRead(codeRejected)
			}
			continue
		}
		c.wg.Go(func() {
			switch c.identify(s, uniType) {
			case kindHTTP:
				c.http.HandleUnidirectionalStream(s)
			case kindSession:
				if c.uni.push(s) {
					return
				}
				fallthrough
			case kindRefused:
				s.CancelRead(codeRejected)
			}
		})
	}
}

// acceptBidi accepts the server's bidirectional streams and passes them to the
// session, or to HTTP/3, which then ends the connection.
func (c *clientConn) acceptBidi() {
	for {
		s, err := c.quic.AcceptStream(context.Background())
		if err != nil {
			return
		}
		c.wg.Go(func() {
			switch c.identify(s, bidiType) {
			case kindHTTP:
				c.http.HandleBidirectionalStream(s)
			case kindSession:
				if c.bidi.push(s) {
					return
				}
				fallthrough
			case kindRefused:
				s.CancelRead(codeRejected)
				s.CancelWrite(codeRejected)
			}
		})
	}
}

// hasSessionPrefix tells whether the prefix of the session has arrived with the
// stream. If so, it consumes the prefix.
func (c *clientConn) hasSessionPrefix(s peeker, head []byte) bool {
	select {
	case <-c.session:
	default:
		return false
	}
	head = head[:len(c.uniPrefix)]
	_ = s.SetReadDeadline(time.Now().Add(peekWait))
	if _, err := s.Peek(head); err != nil || string(head) != c.uniPrefix {
		return false
	}
	_ = s.SetReadDeadline(time.Time{})
	_, err := io.ReadFull(s, head)
	return err == nil
}

// identify reads the prefix of a stream, and consumes it if the stream is not
// for HTTP/3.
func (c *clientConn) identify(s peeker, sessionType uint64) streamKind {
	defer c.unidentified.Add(-1)
	if c.unidentified.Add(1) > maxUnidentified {
		return kindRefused
	}
	_ = s.SetReadDeadline(time.Now().Add(identifyTimeout))
	kind, err := quicvarint.Peek(s)
	if err != nil {
		return kindRefused
	}
	if kind != sessionType {
		_ = s.SetReadDeadline(time.Time{})
		return kindHTTP
	}
	r := quicvarint.NewReader(s)
	if _, err := quicvarint.Read(r); err != nil {
		return kindRefused
	}
	id, err := quicvarint.Read(r)
	if err != nil || !c.isSession(id) {
		return kindRefused
	}
	_ = s.SetReadDeadline(time.Time{})
	return kindSession
}

// isSession waits until the session's id is known, and compares it with id.
func (c *clientConn) isSession(id uint64) bool {
	select {
	case <-c.session:
		return id == uint64(c.sessionID)
	case <-c.quic.Context().Done():
		return false
	}
}
