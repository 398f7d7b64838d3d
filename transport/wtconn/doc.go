// Package wtconn carries moq-lite over WebTransport, which is HTTP/3 over QUIC.
//
//	dialer := &wtconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "https://relay.example.com/live", []string{"moq-lite-06"})
//
// Clients and servers of package impl use it by themselves; it is named where an
// application chooses its transport.
//
// A [Dialer] makes connections for https:// URLs, and for http:// URLs of
// development servers, whose certificate is pinned by the fingerprint that they
// publish. It speaks with every generation of WebTransport servers: it reads
// the server's settings before it decides how to ask. A [Server] serves the
// HTTP/3 connections of a quicconn.Listener. [Wrap] adapts a session of
// webtransport-go that was made otherwise.
//
// The version is negotiated in the headers WT-Available-Protocols and
// WT-Protocol. A QUIC connection carries one session, and ends with it.
package wtconn
