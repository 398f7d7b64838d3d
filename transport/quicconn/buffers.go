package quicconn

import (
	"fmt"
	"log/slog"
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

// warn logs if the buffers are too small; logger may be nil.
func (s *socket) warn(logger *slog.Logger) {
	if logger == nil {
		return
	}
	if err := s.checkBuffers(); err != nil {
		logger.Warn("small UDP buffers", "error", err)
	}
}
