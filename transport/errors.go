package transport

import (
	"errors"
	"fmt"
	"io"
)

// What a dial can fail with, beside what the network says.
var (
	// ErrNoCommonProtocol: the peer speaks none of the versions offered.
	ErrNoCommonProtocol = errors.New("no common moq-lite version")

	// ErrUnsupportedScheme: the dialer has no binding for the URL's scheme.
	ErrUnsupportedScheme = errors.New("unsupported URL scheme")

	// ErrUnauthorized: the peer refused the request's credentials.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrNotFound: the peer has nothing at the URL's path.
	ErrNotFound = errors.New("not found")
)

// A Phase is a step of a dial, called as api.Phase is.
type Phase string

// The phases of a dial, in order.
const (
	PhaseResolve   Phase = "resolve"   // the URL, and its name into an address
	PhaseConnect   Phase = "connect"   // packets reach the peer and come back
	PhaseTLS       Phase = "tls"       // the certificate and the handshake
	PhaseUpgrade   Phase = "upgrade"   // the HTTP request of WebTransport or WebSocket
	PhaseNegotiate Phase = "negotiate" // a moq-lite version in common
)

// A DialError tells in which phase a dial failed. It names no URL: whoever
// dialled knows it, and it may hold credentials.
type DialError struct {
	Transport string // the binding, as in State; empty where the dial did not get as far
	Phase     Phase  // one of the Phase constants
	Err       error  // the cause
}

// Error tells the binding, the phase and the cause.
func (e *DialError) Error() string {
	if e.Transport == "" {
		return fmt.Sprintf("%s: %v", e.Phase, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Transport, e.Phase, e.Err)
}

// Unwrap returns the cause, in which neither io.EOF nor io.ErrUnexpectedEOF is
// found: see [ConnError.Unwrap].
func (e *DialError) Unwrap() error { return withoutEnd(e.Err) }

// A ConnError tells how a connection ended.
type ConnError struct {
	// Code is that of the close; 0 where no side closed (Err is set).
	Code uint64

	// Reason is the text of the close; it may be empty.
	Reason string

	// Remote says that the peer closed, or broke, the connection.
	Remote bool

	// Err is the cause of an end that nobody asked for: a timeout, a protocol
	// failure below the session, a socket that broke. Nil after a close.
	Err error
}

// Error tells which side ended the connection, and why.
func (e *ConnError) Error() string {
	side := "here"
	if e.Remote {
		side = "by the peer"
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("connection lost: %v", e.Err)
	case e.Reason != "":
		return fmt.Sprintf("connection closed %s with code %#x: %s", side, e.Code, e.Reason)
	default:
		return fmt.Sprintf("connection closed %s with code %#x", side, e.Code)
	}
}

// Unwrap returns Err, in which neither io.EOF nor io.ErrUnexpectedEOF is found:
// a socket that came to its end has cut off what was read from the connection,
// and nobody shall take that for the end of a stream.
func (e *ConnError) Unwrap() error { return withoutEnd(e.Err) }

// withoutEnd is err for errors.Is and errors.As, but for the ends of what is
// read.
func withoutEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return endless{err}
	}
	return err
}

// An endless error has no Unwrap, which would lead to the end.
type endless struct{ error }

func (e endless) Is(target error) bool {
	return target != io.EOF && target != io.ErrUnexpectedEOF && errors.Is(e.error, target)
}

func (e endless) As(target any) bool { return errors.As(e.error, target) }

// A StreamError is a reset of one half of a stream: of the sending half by the
// reader (it refuses more), of the receiving half by the writer (it abandoned
// the rest).
type StreamError struct {
	Code   uint64 // moq-lite's, as the side gave it that reset
	Remote bool   // the peer did it
}

// Error tells which side reset it, and with which code.
func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stream reset by the peer with code %#x", e.Code)
	}
	return fmt.Sprintf("stream reset here with code %#x", e.Code)
}
