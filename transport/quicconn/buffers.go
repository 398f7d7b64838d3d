package quicconn

import (
	"fmt"
	"log/slog"

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// A BuffersError tells that the system allows a UDP socket less buffer memory
// than QUIC needs at high rates: the system then drops packets that have
// arrived.
type BuffersError struct {
	Receive, Send int // the sizes of a socket's buffers, in bytes
	Want          int // the size that each should have, in bytes
}

// Error names the sizes, and how to raise them on Linux.
func (e *BuffersError) Error() string {
	return fmt.Sprintf("the system allows UDP sockets %d KiB to receive and %d KiB to send instead of %d KiB each: "+
		"at high rates packets are lost (on Linux: sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d)",
		e.Receive>>10, e.Send>>10, e.Want>>10, e.Want, e.Want)
}

// CheckBuffers opens a UDP socket as this package does, and returns a
// [*BuffersError] if its buffers are too small. It returns nil on systems that
// do not report the sizes, and closes the socket.
func CheckBuffers() error {
	s, err := udp.Listen(nil)
	if err != nil {
		return err
	}
	defer s.Close()
	return checkBuffers(s)
}

func checkBuffers(s *udp.Socket) error {
	receive, send, ok := s.Buffers()
	if !ok || receive >= udp.BufferSize && send >= udp.BufferSize {
		return nil
	}
	return &BuffersError{receive, send, udp.BufferSize}
}

// warnOfBuffers logs if the buffers of s are too small; logger may be nil.
func warnOfBuffers(s *udp.Socket, logger *slog.Logger) {
	if logger == nil {
		return
	}
	if err := checkBuffers(s); err != nil {
		logger.Warn("small UDP buffers", "error", err)
	}
}
