//go:build !linux

package quicconn

import "net"

func forceBuffers(*net.UDPConn, int) {}
