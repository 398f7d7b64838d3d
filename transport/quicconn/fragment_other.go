//go:build !linux && !darwin

package quicconn

import "net"

// dontFragment is false: paths are not measured here.
func dontFragment(*net.UDPConn) bool { return false }
