//go:build !linux

package quicconn

import "net"

func forceBuffers(*net.UDPConn, int) {}

func bufferSizes(*net.UDPConn) (receive, send int, ok bool) { return 0, 0, false }
