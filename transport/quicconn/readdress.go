package quicconn

import (
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"
)

// quic-go has no call that makes a connection's packets smaller. But when a
// client's address changes, RFC 9000, section 9.4, makes the server validate
// the new path with packets that fit every path, and start on it with the
// minimum packet size and the initial congestion window. So the socket of a
// listener pretends that the client's address has changed: packets from the
// client are handed to quic-go with a substitute address, which is the true
// one with a multiple of portSpan added to the port, and packets to a
// substitute address are sent to the true one. quic-go then retransmits all
// that was lost.

// portSpan is the number of UDP ports. The port of a substitute address is at
// least portSpan.
const portSpan = 1 << 16

// maxLives is how many substitutes an address has before they are reused.
const maxLives = 1 << 14

// An addressBook maps the true address of a client to its current substitute.
type addressBook map[netip.AddrPort]*net.UDPAddr

// trueAddr returns the true address for a true or substitute one.
func trueAddr(a *net.UDPAddr) netip.AddrPort {
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), uint16(a.Port%portSpan))
}

// RemoteAddr returns the address of a connection's peer. Use it instead of the
// connection's own method for connections of a [Listener], where that may
// return an internal substitute with a port of more than 65,535.
func RemoteAddr(c *quic.Conn) net.Addr { return trueNetAddr(c.RemoteAddr()) }

// trueNetAddr is like trueAddr for a net.Addr, which it returns unchanged unless
// it is a substitute.
func trueNetAddr(a net.Addr) net.Addr {
	udp, ok := a.(*net.UDPAddr)
	if !ok || udp.Port < portSpan {
		return a
	}
	return net.UDPAddrFromAddrPort(trueAddr(udp))
}

// readdress gives the client at an address, true or substitute, a new
// substitute.
func (s *socket) readdress(a *net.UDPAddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := trueAddr(a)
	book := make(addressBook)
	if old := s.book.Load(); old != nil {
		maps.Copy(book, *old)
	}
	life := 1
	if old := book[at]; old != nil {
		life = old.Port/portSpan%maxLives + 1
	}
	book[at] = &net.UDPAddr{IP: a.IP, Port: int(at.Port()) + life*portSpan, Zone: a.Zone}
	s.book.Store(&book)
}

// dropSubstitutes removes the substitutes of clients that have no connection
// any more.
func (s *socket) dropSubstitutes(conns []*watchedConn) {
	old := s.book.Load()
	if old == nil {
		return
	}
	book := make(addressBook)
	for _, c := range conns {
		if at := trueAddr(c.RemoteAddr().(*net.UDPAddr)); (*old)[at] != nil {
			book[at] = (*old)[at]
		}
	}
	switch {
	case len(book) == 0:
		s.book.Store(nil)
	case len(book) < len(*old):
		s.book.Store(&book)
	}
}

// substitute returns the address that quic-go sees for a packet from a.
func (b addressBook) substitute(a net.Addr) net.Addr {
	if from, ok := a.(*net.UDPAddr); ok {
		if to := b[trueAddr(from)]; to != nil {
			return to
		}
	}
	return a
}

// ReadBatch reads several packets with one system call and replaces the
// addresses that have substitutes.
func (s *socket) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	n, err := s.batch.ReadBatch(ms, flags)
	if book := s.book.Load(); book != nil {
		for i := range ms[:n] {
			ms[i].Addr = book.substitute(ms[i].Addr)
		}
	}
	return n, err
}

// ReadFrom reads one packet. quic-go uses it on systems without ReadBatch.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.UDPConn.ReadFrom(b)
	if book := s.book.Load(); book != nil && from != nil {
		from = book.substitute(from)
	}
	return n, from, err
}

// checkConns is the watch function of a listener. It gives a new substitute address
// to clients on whose path large packets seem to get lost, and ends
// connections whose peer acknowledges nothing.
func (l *Listener) checkConns(now time.Time, conns []*watchedConn) {
	s, own := l.socket.(*socket)
	for _, c := range conns {
		if c.needsPathCheck(now) && own {
			s.readdress(c.RemoteAddr().(*net.UDPAddr))
		}
		if c.delivery.isUnacked(now) {
			l.watch.spawn(c, endUnacked)
		}
	}
	if own {
		s.dropSubstitutes(conns)
	}
}
