package quicconn

import (
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"
)

// A server cannot have quic-go make a connection's packets smaller, but RFC
// 9000, section 9.4, can: when the client's address has changed, the server
// validates the new path with packets that fit any, and begins anew there, with
// the least packet size and the first congestion window. So the socket hands
// out what comes from the client as from another address, which is the true one
// with a multiple of portSpan added to the port, and sends what goes to that
// address to the true one. quic-go then retransmits all that was lost.

// portSpan is the number of ports.
const portSpan = 1 << 16

// maxLives is how often an address changes before old ones come again.
const maxLives = 1 << 14

// An address book is as which addresses those of some clients are handed out.
type addressBook map[netip.AddrPort]*net.UDPAddr

// trueAddr is where packets to an address go.
func trueAddr(a *net.UDPAddr) netip.AddrPort {
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), uint16(a.Port%portSpan))
}

// RemoteAddr is where the peer of a connection is. The connection's own method
// may name an address of a Listener's that stands for it, with a port of more
// than 65,535.
func RemoteAddr(c *quic.Conn) net.Addr { return unnamed(c.RemoteAddr()) }

// unnamed is the true address for one that stands for it.
func unnamed(a net.Addr) net.Addr {
	udp, ok := a.(*net.UDPAddr)
	if !ok || udp.Port < portSpan {
		return a
	}
	return net.UDPAddrFromAddrPort(trueAddr(udp))
}

// readdress gives the client at an address another one.
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

// forget gives clients back their address that have no connections any more.
func (s *socket) forget(conns []*watched) {
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

// renamed is the address as which that of a packet is handed out.
func (b addressBook) renamed(a net.Addr) net.Addr {
	if from, ok := a.(*net.UDPAddr); ok {
		if to := b[trueAddr(from)]; to != nil {
			return to
		}
	}
	return a
}

// ReadBatch reads several packets at once.
func (s *socket) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	n, err := s.batch.ReadBatch(ms, flags)
	if book := s.book.Load(); book != nil {
		for i := range ms[:n] {
			ms[i].Addr = book.renamed(ms[i].Addr)
		}
	}
	return n, err
}

// ReadFrom is ReadBatch where there is no such thing.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.UDPConn.ReadFrom(b)
	if book := s.book.Load(); book != nil && from != nil {
		from = book.renamed(from)
	}
	return n, from, err
}

// look gives clients another address to which large packets seem to get lost,
// and ends connections whose peer is deaf.
func (l *Listener) look(now time.Time, conns []*watched) {
	s, own := l.socket.(*socket)
	for _, c := range conns {
		if c.due(now) && own {
			s.readdress(c.RemoteAddr().(*net.UDPAddr))
		}
		if c.delivery.deaf(now) {
			l.watch.work(c, endDeaf)
		}
	}
	if own {
		s.forget(conns)
	}
}
