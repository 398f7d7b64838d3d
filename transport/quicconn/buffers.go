package quicconn

import (
	"fmt"
	"log/slog"
)

// A BuffersError tells that the system allows a UDP socket less memory than
// QUIC needs at high rates: packets get lost that nobody has dropped on the
// way.
type BuffersError struct {
	Receive, Send int // what a socket has, in bytes
	Want          int // of each
}

// Error tells the sizes, and how to raise them on Linux.
func (e *BuffersError) Error() string {
	return fmt.Sprintf("the system allows UDP sockets %d KiB to receive and %d KiB to send instead of %d KiB each: "+
		"at high rates packets are lost (on Linux: sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d)",
		e.Receive>>10, e.Send>>10, e.Want>>10, e.Want, e.Want)
}

// CheckBuffers opens a UDP socket as those of this package are, and returns a
// [*BuffersError] if its buffers are too small. Where that cannot be told, it
// returns nil.
func CheckBuffers() error {
	s, err := listenUDP(nil)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.checkBuffers()
}

func (s *socket) checkBuffers() error {
	receive, send, ok := bufferSizes(s.UDPConn)
	if !ok || receive >= bufferSize && send >= bufferSize {
		return nil
	}
	return &BuffersError{receive, send, bufferSize}
}

// warn logs that the buffers are too small; a nil logger is silent.
func (s *socket) warn(logger *slog.Logger) {
	if logger == nil {
		return
	}
	if err := s.checkBuffers(); err != nil {
		logger.Warn("small UDP buffers", "error", err)
	}
}
