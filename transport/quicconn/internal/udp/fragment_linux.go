package udp

import (
	"net"

	"golang.org/x/sys/unix"
)

// DontFragment forbids that packets of a socket are fragmented, and makes the
// system ignore what it knows about the path's MTU. It reports false if that
// is not possible.
func DontFragment(c *net.UDPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		v6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
	return err == nil && (v4 == nil || v6 == nil)
}
