// Package qmux multiplexes streams over a connection that carries ordered
// messages, in the way of the Qmux drafts: QUIC's frames without QUIC's packets.
//
// [New] makes a [Conn], which is a transport.Conn, of a [Carrier]. A reader
// goroutine acts on what the peer sends and never waits for the application;
// a writer goroutine asks for the next chunk when the carrier can take it, so
// that priorities are decided as late as possible. What a peer can make this
// side keep is bounded by the credit that it was granted.
package qmux
