package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The states that errors tell of; match them with errors.Is.
var (
	// ErrClosed: the object was closed or cancelled here before.
	ErrClosed = errors.New("closed")
	// ErrClientClosed: the client was closed or is shutting down.
	ErrClientClosed = errors.New("client closed")
	// ErrServerClosed: the server was closed or is shutting down.
	ErrServerClosed = errors.New("server closed")
	// ErrSessionClosed: the session has ended. Every [*SessionError] matches.
	ErrSessionClosed = errors.New("session closed")
	// ErrGoingAway: a peer refuses new work since it is about to end.
	ErrGoingAway = errors.New("going away")
	// ErrNotFound: no such broadcast, track or group.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized: the peer refuses the credentials.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnavailable: who decides on admission could not be asked, or gave no
	// answer that counts. That is no refusal: try again later.
	ErrUnavailable = errors.New("unavailable")
	// ErrInvalidGrant: what was granted cannot be applied. See
	// [Grant.Validate].
	ErrInvalidGrant = errors.New("invalid grant")
	// ErrUnsupportedVersion: no moq-lite version in common.
	ErrUnsupportedVersion = errors.New("unsupported version")
	// ErrUnsupportedScheme: no transport for the URL's scheme.
	ErrUnsupportedScheme = errors.New("unsupported URL scheme")
	// ErrDuplicatePath: the path is published already.
	ErrDuplicatePath = errors.New("path is published already")
	// ErrFrameTooLarge: a frame, or its group, is above a limit.
	ErrFrameTooLarge = errors.New("frame too large")
	// ErrDatagramTooLarge: a datagram is above 1,200 bytes with its header.
	ErrDatagramTooLarge = errors.New("datagram too large")
	// ErrTooFarBehind: the group is too old to be delivered.
	ErrTooFarBehind = errors.New("too far behind")
	// ErrOtherSubscriber: the group's number went to another subscriber of the
	// track, whose handler shares the numbers. Nothing is lost.
	ErrOtherSubscriber = errors.New("given to another subscriber")
	// ErrNotSupported: the session's version or transport has no such thing.
	ErrNotSupported = errors.New("not supported")
	// ErrRestarted: a track of a lasting session begins anew. Every
	// [*RestartError] matches. The reader goes on.
	ErrRestarted = errors.New("the track was restarted")
)

// A SessionErrorCode says why a session ended: the error code of moq-lite-06
// with which an endpoint closes its connection. All versions here use the same
// codes.
type SessionErrorCode uint64

// The session codes. Those from [SessionApplication] on are for applications to
// define.
const (
	// SessionNoError: the session was closed normally.
	SessionNoError SessionErrorCode = 0
	// SessionInternal: the side that closed it has failed.
	SessionInternal SessionErrorCode = 1
	// SessionUnauthorized: the credentials were refused. It matches
	// [ErrUnauthorized].
	SessionUnauthorized SessionErrorCode = 2
	// SessionProtocolViolation: the other side has broken the protocol.
	SessionProtocolViolation SessionErrorCode = 3
	// SessionKeyValueFormatting: a parameter of SETUP cannot be decoded.
	SessionKeyValueFormatting SessionErrorCode = 6
	// SessionGoAwayTimeout: the other side was asked to leave (GOAWAY) and did
	// not do so in time. It matches [ErrGoingAway].
	SessionGoAwayTimeout SessionErrorCode = 0x10
	// SessionControlTimeout: a message was not answered in time.
	SessionControlTimeout SessionErrorCode = 0x11
	// SessionVersionNegotiationFailed: no version in common. It matches
	// [ErrUnsupportedVersion].
	SessionVersionNegotiationFailed SessionErrorCode = 0x15
	// SessionApplication is the first of the codes for applications.
	SessionApplication SessionErrorCode = 64
	// SessionUnavailable: the server could not find out whether to admit the
	// session. It is moq-relay's code for HTTP's 502. It matches
	// [ErrUnavailable].
	SessionUnavailable = SessionApplication + 502
)

// String returns the code's name.
func (c SessionErrorCode) String() string {
	switch c {
	case SessionNoError:
		return "no error"
	case SessionInternal:
		return "internal error"
	case SessionUnauthorized:
		return "unauthorized"
	case SessionProtocolViolation:
		return "protocol violation"
	case SessionKeyValueFormatting:
		return "key-value formatting"
	case SessionGoAwayTimeout:
		return "goaway timeout"
	case SessionControlTimeout:
		return "control message timeout"
	case SessionVersionNegotiationFailed:
		return "version negotiation failed"
	case SessionUnavailable:
		return "unavailable"
	default:
		return "code " + strconv.FormatUint(uint64(c), 10)
	}
}

// A StreamErrorCode says why a request, a group or a track was reset: the error
// code of moq-lite-06 with which an endpoint resets a stream, or that
// SUBSCRIBE_DROP has. All versions here use the same codes.
type StreamErrorCode uint64

// The stream codes. Those from [StreamApplication] on are for applications to
// define. Some peers reset with [StreamInternal] whatever the cause.
const (
	// StreamInternal: the side that reset it has failed, or does not say why.
	StreamInternal StreamErrorCode = 0
	// StreamCancelled: nobody wants it any more.
	StreamCancelled StreamErrorCode = 1
	// StreamDeliveryTimeout: it took longer than allowed.
	StreamDeliveryTimeout StreamErrorCode = 2
	// StreamSessionClosed: the session that it came over has ended. It matches
	// [ErrSessionClosed].
	StreamSessionClosed StreamErrorCode = 3
	// StreamGoingAway: new requests are refused, since the session is about to
	// end. It matches [ErrGoingAway].
	StreamGoingAway StreamErrorCode = 4
	// StreamTooFarBehind: it was not read in time, and was dropped to make
	// room. It matches [ErrTooFarBehind].
	StreamTooFarBehind StreamErrorCode = 5
	// StreamMalformed: a message on it cannot be decoded.
	StreamMalformed StreamErrorCode = 0x12
	// StreamNoCapacity: there are too many already.
	StreamNoCapacity StreamErrorCode = 0x30
	// StreamControlTimeout: an expected message did not come in time.
	StreamControlTimeout StreamErrorCode = 0x31
	// StreamGroupTooLarge: the group has more bytes or frames than the other
	// side accepts. It matches [ErrFrameTooLarge].
	StreamGroupTooLarge StreamErrorCode = 0x32
	// StreamNotFound: no such track or group. It matches [ErrNotFound].
	StreamNotFound StreamErrorCode = 0x33
	// StreamOld: the group is behind the newest by more than the max age. It
	// matches [ErrTooFarBehind].
	StreamOld StreamErrorCode = 0x34
	// StreamEvicted: the group is no longer held. It matches [ErrTooFarBehind].
	StreamEvicted StreamErrorCode = 0x35
	// StreamUnroutable: no such broadcast. It matches [ErrNotFound].
	StreamUnroutable StreamErrorCode = 0x36
	// StreamWrongSize: a frame's size is not the one in its header.
	StreamWrongSize StreamErrorCode = 0x37
	// StreamFrameTooLarge: a frame is larger than the other side accepts. It
	// matches [ErrFrameTooLarge].
	StreamFrameTooLarge StreamErrorCode = 0x38
	// StreamTimestampMismatch: a timestamp does not fit the track's
	// description.
	StreamTimestampMismatch StreamErrorCode = 0x39
	// StreamUnauthorized: the session is not allowed to do that. It matches
	// [ErrUnauthorized].
	StreamUnauthorized StreamErrorCode = 0x3a
	// StreamApplication is the first of the codes for applications.
	StreamApplication StreamErrorCode = 64
	// StreamOtherSubscriber: the number was given to another subscriber of the
	// track (see [TrackSink].OpenGroup). It is this module's own code, after
	// HTTP's 303, and is sent in SUBSCRIBE_DROP alone. It matches
	// [ErrOtherSubscriber].
	StreamOtherSubscriber = StreamApplication + 303
)

var streamCodes = map[StreamErrorCode]struct {
	name    string
	matches error
}{
	StreamInternal:          {name: "internal error"},
	StreamCancelled:         {name: "cancelled"},
	StreamDeliveryTimeout:   {name: "delivery timeout"},
	StreamSessionClosed:     {"session closed", ErrSessionClosed},
	StreamGoingAway:         {"going away", ErrGoingAway},
	StreamTooFarBehind:      {"too far behind", ErrTooFarBehind},
	StreamMalformed:         {name: "malformed message"},
	StreamNoCapacity:        {name: "no capacity"},
	StreamControlTimeout:    {name: "control message timeout"},
	StreamGroupTooLarge:     {"group too large", ErrFrameTooLarge},
	StreamNotFound:          {"not found", ErrNotFound},
	StreamOld:               {"too old", ErrTooFarBehind},
	StreamEvicted:           {"evicted from the cache", ErrTooFarBehind},
	StreamUnroutable:        {"no such broadcast", ErrNotFound},
	StreamWrongSize:         {name: "wrong size"},
	StreamFrameTooLarge:     {"frame too large", ErrFrameTooLarge},
	StreamTimestampMismatch: {name: "timestamp mismatch"},
	StreamUnauthorized:      {"unauthorized", ErrUnauthorized},
	StreamOtherSubscriber:   {"given to another subscriber", ErrOtherSubscriber},
}

// String returns the code's name.
func (c StreamErrorCode) String() string {
	if s, ok := streamCodes[c]; ok {
		return s.name
	}
	return "code " + strconv.FormatUint(uint64(c), 10)
}

// A SessionError tells how a session ended.
type SessionError struct {
	// Code is the code of the side that closed the session; [SessionNoError] if
	// neither did (then Err is set).
	Code SessionErrorCode

	// Reason is a text for people, from the side that closed; it may be empty.
	Reason string

	// Remote says that the peer ended the session, or was lost.
	Remote bool

	// Err is what broke where nobody closed the session: a timeout, a socket.
	Err error
}

// Error tells which side ended the session, and why.
func (e *SessionError) Error() string {
	side := "here"
	if e.Remote {
		side = "by the peer"
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("session lost: %v", e.Err)
	case e.Reason != "":
		return fmt.Sprintf("session closed %s: %v: %s", side, e.Code, e.Reason)
	default:
		return fmt.Sprintf("session closed %s: %v", side, e.Code)
	}
}

// Unwrap returns Err, but in a form that matches neither io.EOF nor
// io.ErrUnexpectedEOF: a lost session has cut off what was read from it, which
// must not be mistaken for the end of a group, a track or a set of
// announcements.
func (e *SessionError) Unwrap() error { return withoutEnd(e.Err) }

// Is reports a match for ErrSessionClosed and for the sentinel of the code.
func (e *SessionError) Is(target error) bool {
	switch target {
	case ErrSessionClosed:
		return true
	case ErrUnauthorized:
		return e.Code == SessionUnauthorized
	case ErrUnavailable:
		return e.Code == SessionUnavailable
	case ErrGoingAway:
		return e.Code == SessionGoAwayTimeout
	case ErrUnsupportedVersion:
		return e.Code == SessionVersionNegotiationFailed
	default:
		return false
	}
}

// A StreamError tells that one request, group or track was reset.
type StreamError struct {
	// Code says why. Peers may use codes that have no name here.
	Code StreamErrorCode

	// Remote says that the peer did it, and not this side.
	Remote bool
}

// Error tells which side reset it, and why.
func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("reset by the peer: %v", e.Code)
	}
	return fmt.Sprintf("reset: %v", e.Code)
}

// Is reports a match for the sentinel of the code.
func (e *StreamError) Is(target error) bool {
	s, ok := streamCodes[e.Code]
	return ok && s.matches != nil && s.matches == target
}

// A RestartError tells that the groups which follow do not continue those
// before: another publisher has taken over, or the same one has begun to number
// them anew. On a session that reconnects (package redial), AcceptGroup returns
// it once for each restart, and then the groups with the new numbers. A group
// with an old number that is still being read may end with it.
type RestartError struct {
	// Before and After are the publishers of the groups before and after; 0 is
	// unknown.
	Before, After Hop

	// Err is what ended the groups before.
	Err error
}

// Error tells whether the origin is another, and what ended the groups before.
func (e *RestartError) Error() string {
	switch {
	case e.Before == 0 || e.After == 0:
		return fmt.Sprintf("%v: the origin is not known to be the same (%v)", ErrRestarted, e.Err)
	case e.Before == e.After:
		return fmt.Sprintf("%v by the same origin (%v)", ErrRestarted, e.Err)
	default:
		return fmt.Sprintf("%v: it comes from another origin (%v)", ErrRestarted, e.Err)
	}
}

// Unwrap returns Err.
func (e *RestartError) Unwrap() error { return e.Err }

// Is matches ErrRestarted.
func (e *RestartError) Is(target error) bool { return target == ErrRestarted }

// A Phase is a step of a dial.
type Phase string

// The phases of a dial, in order.
const (
	PhaseResolve   Phase = "resolve"   // the URL is parsed, and its host name resolved
	PhaseConnect   Phase = "connect"   // packets reach the server and come back
	PhaseTLS       Phase = "tls"       // the certificate and the handshake
	PhaseUpgrade   Phase = "upgrade"   // the HTTP request of WebTransport or WebSocket
	PhaseNegotiate Phase = "negotiate" // a moq-lite version is agreed on
	PhaseSetup     Phase = "setup"     // the peer's SETUP comes
)

// A DialError tells why a dial failed.
type DialError struct {
	// URL is the dialled URL, without userinfo and query values.
	URL string

	// Transport is the binding, as in [SessionState]; empty if the dial failed
	// before one was chosen.
	Transport string

	// Phase is the step at which the dial failed.
	Phase Phase

	// Err is the cause. If a fallback failed too, it tells of both attempts.
	Err error
}

// Error tells the URL, the phase and the cause.
func (e *DialError) Error() string {
	return fmt.Sprintf("dial %s: %s: %v", e.URL, e.Phase, e.Err)
}

// Unwrap returns Err, as [SessionError.Unwrap] does.
func (e *DialError) Unwrap() error { return withoutEnd(e.Err) }

// withoutEnd returns err so that errors.Is and errors.As find all in it except
// io.EOF and io.ErrUnexpectedEOF.
func withoutEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return endless{err}
	}
	return err
}

// An endless error has no Unwrap, which would lead to io.EOF.
type endless struct{ error }

func (e endless) Is(target error) bool {
	return target != io.EOF && target != io.ErrUnexpectedEOF && errors.Is(e.error, target)
}

func (e endless) As(target any) bool { return errors.As(e.error, target) }

// ErrorCode returns the stream code to send to a peer for err: that of a
// [*StreamError], else that of the sentinel it matches. nil, [ErrClosed] and
// context.Canceled are [StreamCancelled], context.DeadlineExceeded is
// [StreamDeliveryTimeout], and all others are [StreamInternal].
func ErrorCode(err error) StreamErrorCode {
	if reset, ok := errors.AsType[*StreamError](err); ok {
		return reset.Code
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, ErrClosed):
		return StreamCancelled
	case errors.Is(err, ErrNotFound):
		return StreamNotFound
	case errors.Is(err, ErrUnauthorized):
		return StreamUnauthorized
	case errors.Is(err, ErrGoingAway):
		return StreamGoingAway
	case errors.Is(err, ErrTooFarBehind):
		return StreamOld
	case errors.Is(err, ErrOtherSubscriber):
		return StreamOtherSubscriber
	case errors.Is(err, ErrFrameTooLarge):
		return StreamFrameTooLarge
	case errors.Is(err, ErrSessionClosed):
		return StreamSessionClosed
	case errors.Is(err, context.DeadlineExceeded):
		return StreamDeliveryTimeout
	default:
		return StreamInternal
	}
}
