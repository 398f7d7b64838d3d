// Package qmux multiplexes streams over a connection that carries ordered
// messages, as the Qmux drafts describe: QUIC's frames without QUIC's packets.
//
// [New] makes a [Conn], which is a transport.Conn, on a [Carrier]. A reader
// goroutine handles the peer's frames and never waits for the application. A
// writer goroutine chooses the next chunk when the carrier can take it, so
// that priorities are applied as late as possible. The memory that a peer can
// cause is bounded by the flow control credit granted to it.
//
// # What happens to data
//
// A Write copies into its stream's buffer (sendStream), which puts the stream into
// the scheduler. The writer goroutine asks for one message after another
// (Conn.message): it takes control frames first, then what raises the peer's
// limits, then datagrams, and last the data of the streams in the scheduler's
// order. The reader goroutine parses each message (parser.next), finds the stream
// of a frame (Conn.find) and puts the data into its receiving half (recvStream).
// Only when the application has read it does the peer get new credit.
//
// # The end
//
// Conn.end records the first reason and drops everything that waits to be sent. The
// writer then sends the close, waits until the peer has closed the carrier or linger
// is over, and closes the carrier, which ends the reader.
//
// # Lock
//
// Conn.mu guards the connection and all its streams; it is never held while the
// carrier reads or writes. Methods whose names begin with "on" handle a frame, and
// are called with it, as are the methods of streams.Sender and streams.Receiver.
//
// # Versions
//
// In qmux-00 a message is a single frame, and there are neither pings nor datagrams,
// so a silent peer is noticed by the carrier only. From qmux-01 on a message is a
// record of any number of frames.
package qmux
