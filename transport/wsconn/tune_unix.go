//go:build linux || darwin

package wsconn

import (
	"net"

	"golang.org/x/sys/unix"
)

// maxUnsent is how many unsent bytes the kernel may buffer. Bytes in its
// buffer are sent before anything that becomes more urgent later.
const maxUnsent = 16 << 10

// tune limits the kernel's buffer of unsent bytes, so that priorities decide
// late what is sent next.
func tune(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
		})
	}
}
