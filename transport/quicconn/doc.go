// Package quicconn carries moq-lite over native QUIC, with the version's name
// as ALPN.
//
// A [Dialer] makes connections for moqt:// and moql:// URLs, all over the one
// UDP socket of its [Endpoint], which a WebTransport dialer may share. A
// [Listener] accepts them on one UDP port, and hands those that speak HTTP/3 to
// whoever serves that. [Wrap] adapts a connection that was made otherwise.
//
// Stream codes travel mapped into HTTP/3's range, as other moq-lite
// implementations expect; unmapped ones are understood as well. Session codes
// travel as they are.
package quicconn
