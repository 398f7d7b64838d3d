package udp

import "golang.org/x/sys/unix"

// The options that rule fragments, and their value that forbids them.
const (
	fragmentV4   = unix.IP_MTU_DISCOVER
	fragmentV6   = unix.IPV6_MTU_DISCOVER
	dontFragment = unix.IP_PMTUDISC_PROBE
)
