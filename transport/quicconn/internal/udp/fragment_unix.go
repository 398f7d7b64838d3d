//go:build linux || darwin

package udp

import (
	"net"

	"golang.org/x/sys/unix"
)

// DontFragment forbids that packets of a socket are fragmented, and on Linux
// makes the system ignore what it knows about the path's MTU. It reports false
// if that is not possible.
func DontFragment(c *net.UDPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, fragmentV4, dontFragment)
		v6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, fragmentV6, dontFragment)
	})
	return err == nil && (v4 == nil || v6 == nil)
}
