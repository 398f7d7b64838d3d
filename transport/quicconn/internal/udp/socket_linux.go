package udp

import (
	"net"
	"syscall"
)

// forceBuffers sets the buffer sizes beyond the system's limit, which only a
// privileged process may do. Errors are ignored.
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

// Buffers returns the sizes of the kernel's buffers, in bytes, and false where
// the system does not tell them. Linux reports twice the size that was
// requested, to account for its bookkeeping.
func (s *Socket) Buffers() (receive, send int, ok bool) {
	raw, err := s.UDPConn.SyscallConn()
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
