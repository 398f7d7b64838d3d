package quicconn

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
)

// bufferSize is what quic-go wants of the kernel's buffers.
const bufferSize = 7 << 20

// A socket is a UDP socket as quic-go uses it. Its buffers are already as large
// as they get: quic-go would try again, and complain to the standard logger
// where the system allows no more.
type socket struct {
	*net.UDPConn
	batch batchReader
	book  atomic.Pointer[addressBook] // nil while no client has another address

	mu          sync.Mutex
	askedToRead bool
	askedToSend bool
}

// newSocket makes c's buffers as large as the system allows.
func newSocket(c *net.UDPConn) *socket {
	_ = c.SetReadBuffer(bufferSize)
	_ = c.SetWriteBuffer(bufferSize)
	forceBuffers(c, bufferSize)
	s := &socket{UDPConn: c, batch: ipv4.NewPacketConn(c)}
	if o := newOffload(c); o != nil {
		s.batch = o
	}
	return s
}

// A batchReader reads several packets at once.
type batchReader interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
}

// listenUDP opens a socket at addr; nil is any address of both families, or of
// the one that there is.
func listenUDP(addr *net.UDPAddr) (*socket, error) {
	c, err := net.ListenUDP("udp", addr)
	if err != nil && addr == nil {
		c, err = net.ListenUDP("udp4", nil)
	}
	if err != nil {
		return nil, err
	}
	return newSocket(c), nil
}

// SetReadBuffer and SetWriteBuffer leave the buffers as they are.
func (s *socket) SetReadBuffer(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askedToRead = true
	return nil
}

// SetWriteBuffer is like SetReadBuffer.
func (s *socket) SetWriteBuffer(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askedToSend = true
	return nil
}

// SyscallConn hides the descriptor until quic-go has asked for both buffers: it
// checks their sizes only if it can, and needs the descriptor later on.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.askedToRead || !s.askedToSend {
		return nil, errors.New("the buffers are set")
	}
	return s.UDPConn.SyscallConn()
}
