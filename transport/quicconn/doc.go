// Package quicconn carries moq-lite over native QUIC. The name of the moq-lite
// version is the ALPN.
//
//	dialer := &quicconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "moqt://relay.example.com", []string{"moq-lite-06"})
//
// A [Dialer] makes connections for moqt:// and moql:// URLs. They share the
// UDP socket of the Dialer's [Endpoint], which a WebTransport dialer may use
// too. A [Listener] accepts connections on one UDP port, and passes those that
// speak HTTP/3 to its H3 function. [Wrap] adapts a connection of quic-go that
// was made otherwise.
//
// # Paths
//
// A connection begins with packets of the size that every path carries, and
// enlarges them to what its own path carries. When a path shrinks later, large
// packets are lost while small ones arrive: connections of a Listener notice
// that and go on with small packets; connections of an Endpoint end with an
// error that says so. When the client's address changes, connections continue
// on the new path.
//
// # Early data
//
// If client and server both allow early data (0-RTT), a dial to a server that
// the client has connected to before, by the same name and at the same
// address, returns without waiting for the handshake. The TLS field of
// [transport.State] tells whether the handshake is complete. When the server
// rejects the early data, the connection sends it again after the handshake,
// which the users of its streams do not notice; but if the server now prefers
// another moq-lite version, the connection ends. Early data can be replayed by
// an attacker.
//
// # Codes
//
// Stream codes are sent mapped into HTTP/3's range, as other moq-lite
// implementations expect; unmapped codes of a peer are understood as well.
// Session codes are sent as they are.
package quicconn
