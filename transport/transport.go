// Package transport defines what a moq-lite session needs of the network: a
// connection of multiplexed streams, dialled or accepted, whatever protocol
// carries it. The package depends on the standard library alone. The
// implementations are in the packages below it (quicconn, wtconn, wsconn,
// memconn), and anyone may write another: [Conn] and [Dialer] are the whole
// contract, and package transporttest is the conformance suite for it.
//
//	conn, err := dialer.Dial(ctx, "moqt://relay.example.com", []string{"moq-lite-06"})
//	…
//	stream, err := conn.OpenStream(ctx)
//
// Applications need this package only to choose a transport: the Transport
// field of an impl.Client is a [ByScheme] of dialers, or any other Dialer.
//
// # Codes
//
// Session and stream codes are the numbers that moq-lite defines. How they are
// encoded (as they are in a QUIC close, mapped into HTTP/3's range on streams,
// in a capsule) is up to the implementation; the callers on both sides see the
// same number.
//
// # Abilities
//
// What only some transports can do is an optional interface: [TryWriter],
// [Prioritizer], [DatagramConn], [StatsConn], and [TargetDialer] for a Dialer.
// The session works without any of them. It looks for them with [As], so that
// they survive a wrapper that has a method Unwrap. [Observe] is one.
package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A Dialer makes connections. It is safe for concurrent use. A Dialer that
// holds sockets or goroutines between calls also implements [io.Closer]; its
// owner, who finds that with [As], closes it after the last connection. A second Close must do no harm.
type Dialer interface {
	// Dial connects to url and negotiates one of protocols, which are names of
	// moq-lite versions in order of preference. It blocks until streams may be
	// opened. ctx bounds the dial alone, not the life of the connection; when
	// ctx ends first, Dial releases everything that the attempt has made. The
	// connection's State().Protocol is one of protocols: when the peer chose
	// none of them, the error matches [ErrNoCommonProtocol]. Errors are of
	// type [*DialError].
	Dial(ctx context.Context, url string, protocols []string) (Conn, error)
}

// DialerFunc adapts a function to a [Dialer].
type DialerFunc func(ctx context.Context, url string, protocols []string) (Conn, error)

// Dial calls f.
func (f DialerFunc) Dial(ctx context.Context, url string, protocols []string) (Conn, error) {
	return f(ctx, url, protocols)
}

// A Listener accepts connections whose protocol has been negotiated.
type Listener interface {
	// Accept waits for the next connection. After Close its error matches
	// [net.ErrClosed]; when ctx ends first, the cause of ctx.
	Accept(ctx context.Context) (Conn, error)

	// Addr is the address that the listener is bound to.
	Addr() net.Addr

	// Close stops listening and closes the connections that were not accepted
	// yet. Accepted connections stay open.
	Close() error
}

// A Conn is a connection of bidirectional and unidirectional streams. Either
// side opens them, and each has flow control of its own. All methods may be
// called concurrently, but only one goroutine at a time may accept streams of
// each kind.
//
// After the end of the connection, the methods that open and accept streams
// fail with its [*ConnError]. When their ctx ends first, they fail with the
// cause of ctx.
type Conn interface {
	// OpenStream opens a bidirectional stream. It blocks while the peer's
	// stream limit is reached, until ctx ends.
	OpenStream(ctx context.Context) (Stream, error)

	// AcceptStream waits for the next bidirectional stream of the peer, until
	// ctx ends.
	AcceptStream(ctx context.Context) (Stream, error)

	// OpenUniStream opens a unidirectional stream to the peer. It blocks while
	// the peer's stream limit is reached, until ctx ends.
	OpenUniStream(ctx context.Context) (SendStream, error)

	// AcceptUniStream waits for the next unidirectional stream of the peer,
	// until ctx ends.
	AcceptUniStream(ctx context.Context) (ReceiveStream, error)

	// CloseWithError ends the connection and all its streams at once: data
	// that the peer has not read may be lost. The peer sees code and reason.
	// When both sides close, the first close counts. CloseWithError returns
	// once the connection's resources on this side are released, which takes
	// at most a second whatever the peer does.
	CloseWithError(code uint64, reason string) error

	// State describes the connection. Only TLS may change, where the dial
	// returned before the handshake was complete.
	State() State

	// Context ends with the connection. Its cause is then a [*ConnError].
	Context() context.Context
}

// State describes a connection.
type State struct {
	// Protocol is the negotiated moq-lite version, such as "moq-lite-06".
	Protocol string

	// Transport names the binding: "quic", "webtransport", "memory", ….
	Transport string

	// Local and Remote are the addresses of both ends.
	Local, Remote net.Addr

	// TLS is the state of the TLS handshake; nil where there was none.
	TLS *tls.ConnectionState

	// URL is the URL that the client dialled, path and query included, as far
	// as this side knows it; nil if it does not. It may hold credentials.
	URL *url.URL

	// CarriesURL says that the binding itself sent the URL's path and query to
	// the peer, so that the session must not send them again.
	CarriesURL bool

	// Header is that of the HTTP request for the connection, where a server is
	// asked whether to accept it; nil once there is a connection. It may hold
	// credentials.
	Header http.Header
}

// A SendStream is the sending half of a stream. One goroutine may write at a
// time. The other methods may be called from any goroutine at any time; Close,
// CancelWrite and a deadline that passes also end a Write that blocks. Only
// Write may block: callers hold locks while they call the others.
type SendStream interface {
	// Write blocks until the transport has taken all of p, and does not keep p
	// after it has returned. It fails with a [*StreamError] whose Remote is
	// true after the peer has refused more, with one whose Remote is false
	// after CancelWrite, with the connection's [*ConnError] after its end, and
	// with [net.ErrClosed] after Close. At the deadline the error matches
	// [os.ErrDeadlineExceeded], and n is the number of bytes that were taken.
	io.Writer

	// Close ends the stream in order: the peer reads io.EOF after the last
	// byte. It does not wait for delivery. After CancelWrite it does nothing.
	io.Closer

	// CancelWrite resets the stream with a code: data that was not delivered
	// yet may be lost. It also works after Close; a second call does nothing.
	CancelWrite(code uint64)

	// SetWriteDeadline bounds pending and later Writes; the zero time removes
	// the deadline.
	SetWriteDeadline(t time.Time) error

	// Context ends when the sending half does: closed, cancelled, refused by
	// the peer (the cause is then a [*StreamError] whose Remote is true), or
	// when the connection ends. Its end does not mean that the data was
	// delivered.
	Context() context.Context
}

// A ReceiveStream is the receiving half of a stream. One goroutine may read at
// a time. The other methods may be called from any goroutine at any time;
// CancelRead and a deadline that passes also end a Read that blocks. Only Read
// may block.
type ReceiveStream interface {
	// Read returns io.EOF itself at the end of the stream, and never
	// otherwise. It fails with a [*StreamError] whose Remote is true after the
	// peer's reset, with one whose Remote is false after CancelRead, and with
	// the connection's [*ConnError] after its end, which does not match
	// io.EOF.
	io.Reader

	// CancelRead tells the peer that this side wants no more of the stream.
	// After the end was read, and when called again, it does nothing.
	CancelRead(code uint64)

	// SetReadDeadline bounds pending and later Reads. After the deadline a
	// Read fails with an error that matches [os.ErrDeadlineExceeded], even
	// when there is data to read. The zero time removes the deadline.
	SetReadDeadline(t time.Time) error
}

// A Stream is a bidirectional stream. Its Close ends the sending half alone.
type Stream interface {
	SendStream
	ReceiveStream
}

// A TryWriter is a SendStream that can also be written to without blocking.
type TryWriter interface {
	// TryWrite is like Write but takes only as much of p as the transport
	// accepts at once. n is the number of bytes taken, which may be 0 without
	// an error.
	TryWrite(p []byte) (n int, err error)
}

// A Prioritizer is a SendStream whose data can be ranked against that of the
// connection's other streams.
type Prioritizer interface {
	// SetPriority sets the urgency, from 0 (sent first) to 7 (sent last).
	// Incremental streams of the same urgency share the capacity; the others
	// are sent one after the other, the oldest first. A new stream is
	// incremental and has DefaultUrgency. SetPriority does not block.
	SetPriority(urgency int8, incremental bool)
}

// DefaultUrgency is the urgency of a stream on which SetPriority was not
// called, and of every stream that is not a Prioritizer.
const DefaultUrgency = 3

// A DatagramConn is a Conn with unreliable datagrams.
type DatagramConn interface {
	// SendDatagram passes one datagram to the transport, which does not keep
	// p. It may block while the connection is congested, without a time limit.
	SendDatagram(p []byte) error

	// ReceiveDatagram waits for the next datagram until ctx ends. The caller
	// owns the bytes.
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}

// A StatsConn is a Conn that keeps counters.
type StatsConn interface {
	// Stats returns the current values. It does not block.
	Stats() Stats
}

// Stats are the counters of a connection since it was made.
type Stats struct {
	// MinRTT, RTT and RTTVar are the minimum, the smoothed value and the mean
	// deviation of the round-trip time; zero before the first sample.
	MinRTT, RTT, RTTVar time.Duration

	// BytesSent and BytesReceived count what was sent and received on the
	// wire; BytesLost counts the sent bytes that were declared lost.
	BytesSent, BytesReceived, BytesLost uint64

	// PacketsSent and PacketsReceived count what was sent and received on the
	// wire; PacketsLost counts the sent packets that were declared lost.
	PacketsSent, PacketsReceived, PacketsLost uint64

	// CongestionWindow is how many bytes may be in flight now.
	CongestionWindow uint64
}
