package udp

import "golang.org/x/sys/unix"

// The options that rule fragments, and their value that forbids them.
const (
	fragmentV4   = unix.IP_DONTFRAG
	fragmentV6   = unix.IPV6_DONTFRAG
	dontFragment = 1
)
