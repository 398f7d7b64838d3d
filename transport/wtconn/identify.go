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

	// eager is how long it is waited for where the next streams wait, too: as
	// a rule it has come with the stream.
	eager = 200 * time.Microsecond

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

// acceptUni hands the server's unidirectional streams to whom they belong. One
// that says at once that it is the session's costs no goroutine.
func (c *clientConn) acceptUni() {
	var head [16]byte
	for {
		s, err := c.quic.AcceptUniStream(context.Background())
		if err != nil {
			return
		}
		if c.isPlain(s, head[:]) {
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

// isPlain tells whether a stream is the session's without doubt and delay, and
// has then read what says so.
func (c *clientConn) isPlain(s peeker, head []byte) bool {
	select {
	case <-c.session:
	default:
		return false
	}
	head = head[:len(c.uniPrefix)]
	_ = s.SetReadDeadline(time.Now().Add(eager))
	if _, err := s.Peek(head); err != nil || string(head) != c.uniPrefix {
		return false
	}
	_ = s.SetReadDeadline(time.Time{})
	_, err := io.ReadFull(s, head)
	return err == nil
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
