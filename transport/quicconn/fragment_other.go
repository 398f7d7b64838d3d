//go:build !linux && !darwin

package quicconn

import "net"

// dontFragment reports false: paths are not measured on this system.
func dontFragment(*net.UDPConn) bool { return false }
