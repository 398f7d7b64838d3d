// Package wtconn carries moq-lite over WebTransport, which is HTTP/3 over
// QUIC.
//
//	dialer := &wtconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "https://relay.example.com/live", []string{"moq-lite-06"})
//
// Clients and servers of package impl use it by themselves; applications need
// it only to choose or configure a transport.
//
// A [Dialer] makes connections for https:// URLs, and for http:// URLs of
// development servers, whose certificate it pins by the fingerprint that they
// publish. It works with servers of every WebTransport draft: it reads the
// server's HTTP/3 settings before it decides in which form to send the
// request. A [Server] serves the HTTP/3 connections of a quicconn.Listener.
// [Wrap] adapts a session of webtransport-go that was made otherwise.
//
// The moq-lite version is negotiated in the headers WT-Available-Protocols and
// WT-Protocol. A QUIC connection carries one session, and ends with it.
package wtconn
