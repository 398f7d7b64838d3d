package quicconn

import (
	"net"
	"syscall"
)

// forceBuffers goes beyond the system's limit, which a privileged process may.
func forceBuffers(c *net.UDPConn, size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, size)
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, size)
	})
}

// bufferSizes are those of a socket's buffers, in bytes. The system counts its
// own bookkeeping, and doubles what it was asked for.
func bufferSizes(c *net.UDPConn) (receive, send int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	var receiveErr, sendErr error
	err = raw.Control(func(fd uintptr) {
		receive, receiveErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		send, sendErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	return receive / 2, send / 2, err == nil && receiveErr == nil && sendErr == nil
}
