package udp

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// routeErrors are the errors of a send without a usable route at the moment: the
// machine moves to another network, its address changes, a firewall blocks the
// packet.
var routeErrors = []syscall.Errno{
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL,
	syscall.ENOBUFS, syscall.EPERM, syscall.EACCES,
	// The same on Windows.
	10050, 10051, 10065, 10049, 10055, 10013,
}

// isRouteError tells whether a send failed with one of these.
func isRouteError(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(routeErrors, errno)
}

// WriteMsgUDP reports a packet without a route as sent, so that it counts as
// lost on the way: given an error, quic-go would end the connection, which may
// outlive the change of networks. Linux sometimes forbids the first packet of
// a socket but not the second, so that error is retried once.
func (s *Socket) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	n, oobn, err = s.write(b, oob, addr)
	if errors.Is(err, syscall.EPERM) {
		n, oobn, err = s.write(b, oob, addr)
	}
	if isRouteError(err) {
		return len(b), len(oob), nil
	}
	return n, oobn, err
}

// write sends a packet to the true address of addr.
func (s *Socket) write(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	if addr.Port < portSpan {
		return s.UDPConn.WriteMsgUDP(b, oob, addr)
	}
	return s.UDPConn.WriteMsgUDPAddrPort(b, oob, trueAddr(addr))
}

// WriteTo is like WriteMsgUDP. quic-go uses it on systems without that.
func (s *Socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	n, err := s.UDPConn.WriteTo(b, TrueAddr(addr))
	if isRouteError(err) {
		return len(b), nil
	}
	return n, err
}

// CheckRoute returns an error if the system has no route to addr, because the
// packets of a handshake would then count as lost until it times out.
func CheckRoute(addr *net.UDPAddr) error {
	c, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// SourceAddr returns the local address from which the system would send to an
// address. It sends nothing.
func SourceAddr(to net.Addr) (netip.Addr, error) {
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	at, err := netip.ParseAddrPort(c.LocalAddr().String())
	return at.Addr(), err
}
