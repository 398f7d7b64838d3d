package quicconn

import (
	"errors"
	"fmt"
	"net"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/h3code"
)

// What happens when a path becomes too small for the packets of a connection
// differs between the two ends.
//
// A server's connection starts again on the same path, as after a change of
// the client's address (see [udp.Socket.Readdress]), and loses nothing. A client
// cannot do that: quic-go would validate a new path first, and does not send
// the packets for it while lost packets fill the congestion window. So the
// client measures the path and ends the connection if the path is too small.
// The packets of the next connection fit; a caller that redials makes it.

// packetOverhead is the number of bytes that quic-go allows for headers and
// tag of a packet with a datagram in it.
const packetOverhead = 1 + 20 + 16

// tooLarge is larger than any datagram. quic-go refuses it; it is never sent.
var tooLarge [1 << 16]byte

// packetSize returns how large the connection's packets may be now, in bytes.
// It derives that from the error with which quic-go refuses a datagram.
func packetSize(c *quic.Conn) int {
	refused, ok := errors.AsType[*quic.DatagramTooLargeError](c.SendDatagram(tooLarge[:]))
	if !ok {
		return largestPacket
	}
	return int(refused.MaxDatagramPayloadSize) + packetOverhead
}

// checkPathSize measures the path of a client's connection on which large packets
// seem to get lost, and ends the connection if they cannot arrive.
func checkPathSize(c *quic.Conn) {
	size := packetSize(c)
	to, ok := c.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return
	}
	found := probe(c.Context(), to, size)
	if found.verdict == verdictAlive && found.most > 0 && found.most < size {
		closeWithError(c, (&PathError{Most: found.most, Need: size}).Error())
	}
}

// endUnacked ends a connection whose peer acknowledges nothing.
func endUnacked(c *quic.Conn) {
	closeWithError(c, fmt.Sprintf("the peer has acknowledged nothing for %v", unackedAfter))
}

// closeWithError closes a connection with an internal error code, mapped into
// HTTP/3's range where the connection carries WebTransport.
func closeWithError(c *quic.Conn, why string) {
	code := uint64(codeInternal)
	if c.ConnectionState().TLS.NegotiatedProtocol == protocolH3 {
		code = h3code.Encode(code)
	}
	_ = c.CloseWithError(quic.ApplicationErrorCode(code), why)
}
