// Package wsconn carries moq-lite where UDP is blocked: over WebSocket (ws://,
// wss://), TCP (tcp://) and TLS (tls://). Streams, flow control and priorities
// come from Qmux, which sends QUIC's frames in messages over one ordered
// connection.
//
//	dialer := &wsconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "wss://relay.example.com/live", []string{"moq-lite-06"})
//
// A [Dialer] makes connections, a [Server] accepts WebSocket requests as an
// [http.Handler], and [Listen] accepts TCP and TLS connections.
//
// The moq-lite version is negotiated as a WebSocket subprotocol or a TLS ALPN,
// such as qmux-01.moq-lite-06, and over plain TCP by Qmux itself. Over
// WebSocket the request takes the URL's path and query to the server; over TCP
// and TLS this binding does not send them.
package wsconn
