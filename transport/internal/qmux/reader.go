package qmux

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// Protocol violations, which end the connection.
var (
	errOffset      = errors.New("STREAM does not continue its stream")
	errAfterEnd    = errors.New("data after a stream's end")
	errFinalSize   = errors.New("a stream's final size changes")
	errFlowControl = errors.New("flow control exceeded")
	errStreamLimit = errors.New("stream limit exceeded")
	errNoStream    = errors.New("a frame for a stream that was not opened")
	errDirection   = errors.New("a frame for the wrong half of a stream")
	errNoParams    = errors.New("no transport parameters in the first frame")
	errParamsTwice = errors.New("transport parameters again")
	errProtocols   = errors.New("application_protocols where there is another negotiation")
	errResetAt     = errors.New("RESET_STREAM_AT was not offered")
	errPingOrder   = errors.New("QX_PING numbers do not increase")
	errUnaskedPong = errors.New("QX_PING answers what nobody asked")
	errManyStreams = errors.New("MAX_STREAMS is too large")
	errManyFrames  = errors.New("more than one frame in a message")
)

// read handles the peer's messages until the carrier ends or the peer closes
// the connection. After an end on this side it discards them, so that the
// peer's close is still noticed.
func (c *Conn) read() {
	for {
		message, err := c.carrier.ReadMessage()
		if err != nil {
			c.lost(err)
			return
		}
		if c.receive(message) {
			return
		}
	}
}

// receive handles a message. It returns true if the peer has closed the
// connection.
func (c *Conn) receive(message []byte) (closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.PacketsReceived++
	c.stats.BytesReceived += uint64(len(message))
	c.pings.heard = time.Now()
	for p := (parser{b: message}); len(p.b) > 0; {
		f, err := p.next(c.version)
		if err == nil && (f.kind == frameApplicationClose || f.kind == frameConnectionClose) {
			c.onClose(&f)
			return true
		}
		// Nothing is done any more after an end on this side, but a close is
		// looked for.
		if c.shared.Err() != nil {
			return false
		}
		if err == nil {
			err = c.act(&f)
		}
		if err == nil && !c.version.records() && len(p.b) > 0 {
			err = errManyFrames
		}
		if err != nil {
			c.violation(err)
			return false
		}
	}
	return false
}

// onClose handles a close of the peer.
// A close of the application has a code and a reason for it. One of Qmux itself says
// that this side has broken the protocol, or is in the peer's way, and is a failure.
func (c *Conn) onClose(f *frame) {
	e := &transport.ConnError{Remote: true}
	if f.kind == frameApplicationClose {
		e.Code, e.Reason = f.code, string(f.data)
	} else {
		e.Err = fmt.Errorf("qmux: closed by the peer with code %d: %q", f.code, f.data)
	}
	c.end(e, nil)
}

// act handles any other frame.
func (c *Conn) act(f *frame) error {
	// Without the parameters, no limit is known.
	if !c.peerKnown && f.kind != frameParams {
		return errNoParams
	}
	switch f.kind {
	case frameStream, frameResetStream, frameResetStreamAt, frameStopSending, frameMaxStreamData, frameStreamDataBlocked:
		return c.actOnStream(f)
	case frameParams:
		return c.onParams(f.data)
	case frameMaxData:
		if f.value > c.sendMax {
			c.sendMax = f.value
			c.cond.Signal()
		}
	case frameMaxStreamsBidi, frameMaxStreamsUni:
		if f.value > maxStreams {
			return errManyStreams
		}
		if f.kind == frameMaxStreamsUni {
			c.raise(&c.openUni, f.value)
		} else {
			c.raise(&c.openBidi, f.value)
		}
	case frameDatagramLen:
		return c.onDatagram(f.data)
	case framePingRequest:
		return c.onPing(f.value)
	case framePingResponse:
		return c.onPong(f.value)
	}
	return nil
}

// actOnStream handles a frame of a stream. Frames about the sending half come from the
// receiver, and the others from the sender: in a unidirectional stream, only one of
// the two sides may send each kind.
func (c *Conn) actOnStream(f *frame) error {
	sending := f.kind == frameStopSending || f.kind == frameMaxStreamData
	ours := (f.id&idServer == 0) == c.client
	if f.id&idUni != 0 && sending != ours {
		return errDirection
	}
	s, err := c.find(f.id)
	if err != nil || s == nil {
		return err
	}
	switch f.kind {
	case frameStream:
		return s.onData(f)
	case frameResetStream:
		return s.onReset(f.code, f.value)
	case frameResetStreamAt:
		return errResetAt
	case frameStopSending:
		s.onStop(f.code)
	case frameMaxStreamData:
		s.onLimit(f.value)
	}
	return nil
}

// onParams handles the peer's transport parameters.
func (c *Conn) onParams(b []byte) error {
	if c.peerKnown {
		return errParamsTwice
	}
	p, err := parseParams(b)
	if err != nil {
		return err
	}
	switch {
	case c.offered != nil:
		if c.state.Protocol = c.choose(p.Protocols); c.state.Protocol == "" {
			return transport.ErrNoCommonProtocol
		}
	case p.Protocols != nil:
		return errProtocols
	}
	c.peer, c.peerKnown = p, true
	c.sendMax = p.MaxData
	c.raise(&c.openBidi, p.StreamsBidi)
	c.raise(&c.openUni, p.StreamsUni)
	c.startPings()
	close(c.ready)
	return nil
}

// choose returns the common protocol that the server prefers, or "".
func (c *Conn) choose(theirs []string) string {
	server, client := c.offered, theirs
	if c.client {
		server, client = theirs, c.offered
	}
	for _, p := range server {
		if slices.Contains(client, p) {
			return p
		}
	}
	return ""
}
