package quicconn

import (
	"errors"
	"fmt"
	"net"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/h3code"
)

// A path that has become too small for the packets of a connection is left by
// its two ends in different ways.
//
// A server has its connection begin anew on the same path, as after a change of
// the client's address (see [socket.readdress]): nothing is lost. A client
// cannot. quic-go would have it validate a new path first, and sends nothing
// for that while packets that got lost fill its congestion window. So it
// measures the path, and ends the connection if that is too small: the next
// one, whose first packets fit, is a redialer's to make.

// packetOverhead is what quic-go reckons a packet has beside a datagram.
const packetOverhead = 1 + 20 + 16

// tooLarge is larger than any datagram, and never sent.
var tooLarge [1 << 16]byte

// packetSize is how large the packets of a connection may be at present. quic-go
// tells it where a datagram is too large.
func packetSize(c *quic.Conn) int {
	refused, ok := errors.AsType[*quic.DatagramTooLargeError](c.SendDatagram(tooLarge[:]))
	if !ok {
		return largestPacket
	}
	return int(refused.MaxDatagramPayloadSize) + packetOverhead
}

// examine measures the path of a client's connection, on which large packets
// seem to get lost, and ends the connection if they cannot arrive.
func examine(c *quic.Conn) {
	size := packetSize(c)
	to, ok := c.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return
	}
	found := probe(c.Context(), to, size)
	if found.verdict == verdictAlive && found.most > 0 && found.most < size {
		end(c, (&PathError{Most: found.most, Need: size}).Error())
	}
}

// endDeaf ends a connection whose peer acknowledges nothing.
func endDeaf(c *quic.Conn) {
	end(c, fmt.Sprintf("the peer has acknowledged nothing for %v", deafAfter))
}

// end ends a connection that is of no use.
func end(c *quic.Conn, why string) {
	code := uint64(codeInternal)
	if c.ConnectionState().TLS.NegotiatedProtocol == protocolH3 {
		code = h3code.Encode(code) // the WebTransport session's
	}
	_ = c.CloseWithError(quic.ApplicationErrorCode(code), why)
}
