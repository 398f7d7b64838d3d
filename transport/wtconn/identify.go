package wtconn

import (
	"context"
	"io"
	"time"

	"github.com/quic-go/quic-go/quicvarint"
)

const (
	// identifyTimeout is how long a stream has to say what it is.
	identifyTimeout = 5 * time.Second

	// maxUnidentified is how many streams may be about to say what they are.
	maxUnidentified = 256
)

// What a stream is.
type streamKind int

const (
	kindRefused streamKind = iota // nothing that is known here
	kindHTTP                      // HTTP/3's own
	kindSession                   // the session's
)

// A peeker is a receiving half of which the first bytes can be looked at.
type peeker interface {
	io.Reader
	Peek([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// acceptUni hands the server's unidirectional streams to whom they belong.
func (c *clientConn) acceptUni() {
	for {
		s, err := c.quic.AcceptUniStream(context.Background())
		if err != nil {
			return
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

// acceptBidi hands the server's bidirectional streams to whom they belong. They
// are the session's, or HTTP/3 ends the connection.
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

// identify reads what a stream begins with, as far as it is not HTTP/3's.
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

// isSession waits for the session's id and compares.
func (c *clientConn) isSession(id uint64) bool {
	select {
	case <-c.session:
		return id == uint64(c.sessionID)
	case <-c.quic.Context().Done():
		return false
	}
}
