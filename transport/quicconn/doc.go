// Package quicconn carries moq-lite over native QUIC, with the version's name
// as ALPN.
//
//	dialer := &quicconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "moqt://relay.example.com", []string{"moq-lite-06"})
//
// A [Dialer] makes connections for moqt:// and moql:// URLs, all over the one
// UDP socket of its [Endpoint], which a WebTransport dialer may share. A
// [Listener] accepts them on one UDP port, and hands those that speak HTTP/3 to
// whoever serves that. [Wrap] adapts a connection that was made otherwise.
//
// Connections begin with packets that fit any path, and grow them to what theirs
// carries. When a path shrinks, large packets get lost while small ones pass: a
// listener's connections notice that, and go on with small ones; those of an
// endpoint end with an error that says so. Where the path changes otherwise,
// they follow.
//
// A client and a server that both allow early data (0-RTT) need no handshake
// before it when they have met: a dial to the same name at the same address then
// returns at once, and [transport.State]'s TLS tells whether the handshake is
// complete. What a server does not take early is sent once more, unseen by
// whoever uses the connection; but it ends if the server has come to prefer
// another version. Early data can be replayed by others.
//
// Stream codes travel mapped into HTTP/3's range, as other moq-lite
// implementations expect; unmapped ones are understood as well. Session codes
// travel as they are.
package quicconn
