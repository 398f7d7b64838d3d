// Package qmux multiplexes streams over a connection that carries ordered
// messages, as the Qmux drafts describe: QUIC's frames without QUIC's packets.
//
// [New] makes a [Conn], which is a transport.Conn, on a [Carrier]. A reader
// goroutine handles the peer's frames and never waits for the application. A
// writer goroutine chooses the next chunk when the carrier can take it, so
// that priorities are applied as late as possible. The memory that a peer can
// cause is bounded by the flow control credit granted to it.
package qmux
