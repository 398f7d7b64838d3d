//go:build !linux

package udp

import (
	"net"

	"golang.org/x/net/ipv4"
)

func forceBuffers(*net.UDPConn, int) {}

// Buffers returns false: this system does not tell the sizes.
func (*Socket) Buffers() (receive, send int, ok bool) { return 0, 0, false }

// An offload exists on Linux only.
type offload struct{}

func newOffload(*net.UDPConn) *offload { return nil }

// ReadBatch is never called.
func (*offload) ReadBatch([]ipv4.Message, int) (int, error) { return 0, net.ErrClosed }
