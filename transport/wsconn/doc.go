// Package wsconn carries moq-lite where UDP does not get through: over
// WebSocket (ws://, wss://), and over TCP (tcp://) and TLS (tls://). Streams,
// flow control and priorities are those of Qmux, QUIC's frames in messages.
//
//	dialer := &wsconn.Dialer{TLSConfig: conf}
//	conn, err := dialer.Dial(ctx, "wss://relay.example.com/live", []string{"moq-lite-06"})
//
// A [Dialer] makes connections, a [Server] serves WebSocket requests as an
// [http.Handler], and [Listen] listens for TCP and TLS.
//
// The version is negotiated as a WebSocket subprotocol or a TLS ALPN, such as
// qmux-01.moq-lite-06, and over bare TCP in Qmux itself. Over WebSocket the
// request takes path and query to the server; over TCP and TLS, nothing does.
package wsconn
