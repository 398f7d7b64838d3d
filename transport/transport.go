// Package transport is what a moq-lite session needs of the network: a
// connection of multiplexed streams, dialled or listened for, whatever carries
// it. It depends on the standard library alone; the implementations live in
// the packages below it (quicconn, wtconn, wsconn, memconn) and anyone may write
// another: [Conn] and [Dialer] are the whole contract, and transporttest is
// the suite that proves one.
//
//	conn, err := dialer.Dial(ctx, "moqt://relay.example.com", []string{"moq-lite-06"})
//	…
//	stream, err := conn.OpenStream(ctx)
//
// Applications meet it where they choose a transport: a [ByScheme] of dialers, or
// a dialer of their own, is the Transport of an impl.Client.
//
// # Codes
//
// Session and stream codes are moq-lite's own numbers. How they travel (raw in
// a QUIC close, mapped into HTTP/3's range on streams, in a capsule) is the
// implementation's business; both ends of this package see the same number.
//
// # Abilities
//
// What only some transports can do is an optional interface, found by a type
// assertion: [TryWriter], [Prioritizer], [DatagramConn], [StatsConn], and of a
// Dialer [TargetDialer]. The session does without any of them.
package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"time"
)

// A Dialer makes connections. One Dialer may serve many concurrent calls. A
// Dialer that holds sockets or goroutines between calls also implements
// [io.Closer]; its owner closes it after the last connection, perhaps twice.
type Dialer interface {
	// Dial connects to url and negotiates one of protocols, moq-lite version
	// names with the most wanted first. It returns when streams may be opened.
	// ctx bounds the dial alone, not the life of the connection; when it ends,
	// nothing of the attempt is left behind. The connection's State().Protocol
	// is one of protocols: a peer that chose nothing, or something else, is an
	// error that matches [ErrNoCommonProtocol]. Errors are of type
	// [*DialError].
	Dial(ctx context.Context, url string, protocols []string) (Conn, error)
}

// DialerFunc adapts a function to a [Dialer].
type DialerFunc func(ctx context.Context, url string, protocols []string) (Conn, error)

// Dial calls f.
func (f DialerFunc) Dial(ctx context.Context, url string, protocols []string) (Conn, error) {
	return f(ctx, url, protocols)
}

// A Listener accepts connections whose protocol is negotiated.
type Listener interface {
	// Accept waits for the next connection. After Close it returns
	// [net.ErrClosed]; when ctx ends first, the cause of that.
	Accept(ctx context.Context) (Conn, error)

	// Addr is the address that is listened on.
	Addr() net.Addr

	// Close stops listening and closes the connections that nobody has
	// accepted. Accepted connections live on.
	Close() error
}

// A Conn is one connection: bidirectional and unidirectional streams, opened
// by either side, each flow controlled by itself. All methods may be called
// concurrently. Each kind of stream has one accepting goroutine at a time.
type Conn interface {
	// OpenStream opens a bidirectional stream. It blocks while the peer's
	// stream limit is reached, until ctx ends.
	OpenStream(ctx context.Context) (Stream, error)

	// AcceptStream waits for the next bidirectional stream of the peer.
	AcceptStream(ctx context.Context) (Stream, error)

	// OpenUniStream opens a stream to the peer. It blocks while the peer's
	// stream limit is reached, until ctx ends.
	OpenUniStream(ctx context.Context) (SendStream, error)

	// AcceptUniStream waits for the next unidirectional stream of the peer.
	AcceptUniStream(ctx context.Context) (ReceiveStream, error)

	// CloseWithError ends the connection and everything on it at once: data
	// that the peer has not read may be lost. The peer sees code and reason.
	// The first close, of either side, wins. It returns when what the
	// connection held here is released, within a second whatever the peer
	// does.
	CloseWithError(code uint64, reason string) error

	// State describes the connection. It does not change.
	State() State

	// Context ends with the connection; its cause is a [*ConnError].
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

	// TLS is the state of the handshake; nil where there was none.
	TLS *tls.ConnectionState

	// URL is what the client asked for, path and query included, as far as
	// this side knows it.
	URL *url.URL

	// CarriesURL says that the binding itself took the URL's path and query
	// to the peer, so that the session must not.
	CarriesURL bool
}

// A SendStream is the sending half of a stream. One goroutine writes at a
// time; the other methods may be called at any time and unblock it. Write alone
// blocks: the others may be called with a lock held.
type SendStream interface {
	// Write blocks until p is taken by the transport, which keeps nothing of p
	// after Write has returned. After the peer's refusal it fails with a
	// [*StreamError] that is remote, after CancelWrite with one that is not,
	// after the connection's end with its [*ConnError], and after Close with
	// [net.ErrClosed]. At the deadline the error matches
	// [os.ErrDeadlineExceeded] and n tells how much was taken.
	io.Writer

	// Close ends the stream in order; the peer reads io.EOF after the last
	// byte. It does not wait for delivery. After CancelWrite it does nothing.
	io.Closer

	// CancelWrite abandons the stream with a code: data that was not delivered
	// may never be. It also works after Close, and does nothing twice.
	CancelWrite(code uint64)

	// SetWriteDeadline bounds pending and later Writes; zero removes it.
	SetWriteDeadline(t time.Time) error

	// Context ends when the sending half is over: closed, cancelled, refused
	// by the peer (its cause is then a remote [*StreamError]), or gone with
	// the connection. It does not tell that anything was delivered.
	Context() context.Context
}

// A ReceiveStream is the receiving half of a stream. One goroutine reads at a
// time; the other methods may be called at any time and unblock it. Read alone
// blocks.
type ReceiveStream interface {
	// Read returns io.EOF itself at the end of the stream, and at no other. It
	// fails with a remote [*StreamError] after the peer's reset, with a local
	// one after CancelRead, and with the connection's [*ConnError] after its
	// end, which does not match io.EOF.
	io.Reader

	// CancelRead tells the peer that nothing more of the stream is wanted. It
	// does nothing after the end was read, nor twice.
	CancelRead(code uint64)

	// SetReadDeadline bounds pending and later Reads, whose error then matches
	// [os.ErrDeadlineExceeded], even where there is something to read; zero
	// removes it.
	SetReadDeadline(t time.Time) error
}

// A Stream is a bidirectional stream. Close ends the sending half alone.
type Stream interface {
	SendStream
	ReceiveStream
}

// A TryWriter is a SendStream that can be written to without waiting.
type TryWriter interface {
	// TryWrite is Write for as much of p as the transport takes at once, which
	// n tells; that may be none of it.
	TryWrite(p []byte) (n int, err error)
}

// A Prioritizer is a SendStream whose data can be ranked among that of the
// connection's other streams.
type Prioritizer interface {
	// SetPriority sets the urgency, 0 (first) to 7 (last). Streams of one
	// urgency share the capacity when incremental, and else go one after the
	// other, the oldest first. A stream begins with DefaultUrgency, incremental.
	// It does not block.
	SetPriority(urgency int8, incremental bool)
}

// DefaultUrgency is what streams have that were not given another urgency, those
// that are no Prioritizer among them.
const DefaultUrgency = 3

// A DatagramConn is a Conn with unreliable datagrams.
type DatagramConn interface {
	// SendDatagram hands one datagram to the transport and keeps nothing of
	// p. It may block, without bound, while the connection is congested.
	SendDatagram(p []byte) error

	// ReceiveDatagram waits for the next datagram. The caller owns it.
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}

// A StatsConn is a Conn that counts.
type StatsConn interface {
	// Stats returns the counters as they are now. It does not block.
	Stats() Stats
}

// Stats are a connection's counters since its beginning.
type Stats struct {
	// MinRTT, RTT and RTTVar are the least, the smoothed and the mean
	// deviation of the round-trip time; zero before the first sample.
	MinRTT, RTT, RTTVar time.Duration

	// BytesSent and BytesReceived went over the wire; BytesLost of the sent ones
	// were declared lost.
	BytesSent, BytesReceived, BytesLost uint64

	// PacketsSent and PacketsReceived went over the wire; PacketsLost of the
	// sent ones were declared lost.
	PacketsSent, PacketsReceived, PacketsLost uint64

	// CongestionWindow is how many bytes may be under way now.
	CongestionWindow uint64
}
