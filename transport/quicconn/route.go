package quicconn

import (
	"errors"
	"net"
	"slices"
	"syscall"
)

// noWay are the errors of a send that finds no way out at the moment: a network
// goes and another comes, an address changes, a firewall is in between.
var noWay = []syscall.Errno{
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL,
	syscall.ENOBUFS, syscall.EPERM, syscall.EACCES,
	// What Windows says for the same.
	10050, 10051, 10065, 10049, 10055, 10013,
}

// findsNoWay tells whether a send failed for one of these.
func findsNoWay(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(noWay, errno)
}

// WriteMsgUDP counts a packet that finds no way out as sent, and so as lost on
// the way: quic-go would end the connection, which may outlive the change of
// its network. The first packet of a socket is sometimes not permitted on
// Linux, and the second time it is.
func (s *socket) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	n, oobn, err = s.write(b, oob, addr)
	if errors.Is(err, syscall.EPERM) {
		n, oobn, err = s.write(b, oob, addr)
	}
	if findsNoWay(err) {
		return len(b), len(oob), nil
	}
	return n, oobn, err
}

// write sends to where an address leads.
func (s *socket) write(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	if addr.Port < portSpan {
		return s.UDPConn.WriteMsgUDP(b, oob, addr)
	}
	return s.UDPConn.WriteMsgUDPAddrPort(b, oob, trueAddr(addr))
}

// WriteTo is WriteMsgUDP where there is no such thing.
func (s *socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	n, err := s.UDPConn.WriteTo(b, unnamed(addr))
	if findsNoWay(err) {
		return len(b), nil
	}
	return n, err
}

// routed fails if no network leads to addr: packets to it would be lost without
// a word.
func routed(addr *net.UDPAddr) error {
	c, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		return err
	}
	return c.Close()
}
