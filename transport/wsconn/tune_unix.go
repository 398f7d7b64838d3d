//go:build linux || darwin

package wsconn

import (
	"net"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much the system may keep that it cannot send yet. What it
// has, no priority overtakes any more.
const maxUnsent = 16 << 10

// tune has the system leave what to send next to us.
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
