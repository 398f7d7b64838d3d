package transport

import (
	"errors"
	"fmt"
	"io"
)

// Errors that a dial may return, apart from those of the network.
var (
	// ErrNoCommonProtocol: the peer speaks none of the offered versions.
	ErrNoCommonProtocol = errors.New("no common moq-lite version")

	// ErrUnsupportedScheme: the dialer has no binding for the scheme of the
	// URL.
	ErrUnsupportedScheme = errors.New("unsupported URL scheme")

	// ErrUnauthorized: the peer rejected the credentials of the request, or
	// there were none.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrNotFound: the peer serves nothing at the path of the URL.
	ErrNotFound = errors.New("not found")

	// ErrUnavailable: the peer cannot find out now whether to accept the
	// request. Another try may succeed.
	ErrUnavailable = errors.New("unavailable")
)

// A Phase is a step of a dial. The names are those of api.Phase.
type Phase string

// The phases of a dial, in order.
const (
	PhaseResolve   Phase = "resolve"   // parsing the URL and resolving its host
	PhaseConnect   Phase = "connect"   // getting packets to the peer and back
	PhaseTLS       Phase = "tls"       // the TLS handshake and the certificate
	PhaseUpgrade   Phase = "upgrade"   // the HTTP request of WebTransport or WebSocket
	PhaseNegotiate Phase = "negotiate" // agreeing on a moq-lite version
)

// A DialError tells in which phase a dial failed. It does not contain the URL:
// the caller knows it, and it may hold credentials.
type DialError struct {
	Transport string // the binding, as in State; empty when none was chosen yet
	Phase     Phase  // one of the Phase constants
	Err       error  // the cause
}

// Error names the binding, the phase and the cause.
func (e *DialError) Error() string {
	if e.Transport == "" {
		return fmt.Sprintf("%s: %v", e.Phase, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Transport, e.Phase, e.Err)
}

// Unwrap returns the cause, but such that it matches neither io.EOF nor
// io.ErrUnexpectedEOF: see [ConnError.Unwrap].
func (e *DialError) Unwrap() error { return hideEOF(e.Err) }

// A ConnError tells how a connection ended.
type ConnError struct {
	// Code is the code of the close; 0 when neither side closed (Err is set).
	Code uint64

	// Reason is the text of the close; it may be empty.
	Reason string

	// Remote says that the peer closed the connection or caused its failure.
	Remote bool

	// Err is the cause when the connection failed without a close: a timeout,
	// a protocol error below the session, a broken socket. Nil after a close.
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

// Unwrap returns Err, but such that it matches neither io.EOF nor
// io.ErrUnexpectedEOF: when a socket reaches its end, the streams of the
// connection are cut off, and a reader must not mistake that for the end of a
// stream.
func (e *ConnError) Unwrap() error { return hideEOF(e.Err) }

// hideEOF returns err, wrapped so that errors.Is and errors.As do not find
// io.EOF or io.ErrUnexpectedEOF in it.
func hideEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hiddenEOF{err}
	}
	return err
}

// A hiddenEOF error has no Unwrap method, so that errors.Is cannot reach the
// io.EOF inside.
type hiddenEOF struct{ error }

func (e hiddenEOF) Is(target error) bool {
	return target != io.EOF && target != io.ErrUnexpectedEOF && errors.Is(e.error, target)
}

func (e hiddenEOF) As(target any) bool { return errors.As(e.error, target) }

// A StreamError tells that one half of a stream was reset: the sending half by
// the reader, who refuses more, or the receiving half by the writer, who
// abandoned the rest.
type StreamError struct {
	Code   uint64 // the moq-lite code that the resetting side gave
	Remote bool   // the peer reset it
}

// Error tells which side reset it, and with which code.
func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stream reset by the peer with code %#x", e.Code)
	}
	return fmt.Sprintf("stream reset here with code %#x", e.Code)
}
