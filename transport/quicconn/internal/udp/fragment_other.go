//go:build !linux && !darwin

package udp

import "net"

// DontFragment reports false: paths are not measured on this system.
func DontFragment(*net.UDPConn) bool { return false }
