package udp

import (
	"iter"
	"maps"
	"net"
	"net/netip"

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

// TrueAddr returns the true address for a substitute, and any other address
// unchanged.
func TrueAddr(a net.Addr) net.Addr {
	udp, ok := a.(*net.UDPAddr)
	if !ok || udp.Port < portSpan {
		return a
	}
	return net.UDPAddrFromAddrPort(trueAddr(udp))
}

// Readdress gives the client at an address, true or substitute, a new
// substitute.
func (s *Socket) Readdress(a *net.UDPAddr) {
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

// KeepSubstitutes removes all substitutes but those of the clients at addrs, which may be
// true or substitute.
func (s *Socket) KeepSubstitutes(addrs iter.Seq[*net.UDPAddr]) {
	old := s.book.Load()
	if old == nil {
		return
	}
	book := make(addressBook)
	for a := range addrs {
		if at := trueAddr(a); (*old)[at] != nil {
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
func (s *Socket) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	n, err := s.batch.ReadBatch(ms, flags)
	if book := s.book.Load(); book != nil {
		for i := range ms[:n] {
			ms[i].Addr = book.substitute(ms[i].Addr)
		}
	}
	return n, err
}

// ReadFrom reads one packet. quic-go uses it on systems without ReadBatch.
func (s *Socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.UDPConn.ReadFrom(b)
	if book := s.book.Load(); book != nil && from != nil {
		from = book.substitute(from)
	}
	return n, from, err
}
