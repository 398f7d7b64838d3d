package quicconn

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
)

// bufferSize is the size of the kernel's buffers that quic-go asks for.
const bufferSize = 7 << 20

// A socket is the UDP socket that quic-go works with. Its buffers already have
// the largest possible size: quic-go would try to enlarge them again, and
// complain to the standard logger where the system does not allow that.
type socket struct {
	*net.UDPConn
	batch batchReader
	book  atomic.Pointer[addressBook] // nil while no client has a substitute address

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

// listenUDP opens a socket at addr; nil means all addresses, of IPv4 and IPv6
// where the system has both.
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

// SetReadBuffer only notes that quic-go has called it: the buffer is set
// already.
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

// SyscallConn fails until quic-go has called SetReadBuffer and SetWriteBuffer,
// so that it cannot check the sizes and complain. Later it needs the
// descriptor.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.askedToRead || !s.askedToSend {
		return nil, errors.New("the buffers are set")
	}
	return s.UDPConn.SyscallConn()
}
