package quicconn

import (
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// RemoteAddr returns the address of a connection's peer. Use it instead of the
// connection's own method for connections of a [Listener], where that may
// return an internal substitute with a port of more than 65,535.
func RemoteAddr(c *quic.Conn) net.Addr { return udp.TrueAddr(c.RemoteAddr()) }

// checkConns is the watch function of a listener. It gives a new substitute
// address to clients on whose path large packets seem to get lost, and ends
// connections whose peer acknowledges nothing.
func (l *Listener) checkConns(now time.Time, conns []*watchedConn) {
	s, own := l.socket.(*udp.Socket)
	for _, c := range conns {
		if c.needsPathCheck(now) && own {
			s.Readdress(c.RemoteAddr().(*net.UDPAddr))
		}
		if c.delivery.isUnacked(now) {
			l.watch.spawn(c, endUnacked)
		}
	}
	if own {
		s.KeepSubstitutes(func(yield func(*net.UDPAddr) bool) {
			for _, c := range conns {
				if !yield(c.RemoteAddr().(*net.UDPAddr)) {
					return
				}
			}
		})
	}
}
