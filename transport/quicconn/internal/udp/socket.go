package udp

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
)

// BufferSize is the size that each of the kernel's two buffers of a socket
// should have, in bytes. It is the one that quic-go asks for.
const BufferSize = 7 << 20

// A Socket is the UDP socket that quic-go works with. Its buffers already have
// the largest possible size: quic-go would try to enlarge them again, and
// complain to the standard logger where the system does not allow that.
type Socket struct {
	*net.UDPConn
	batch batchReader
	book  atomic.Pointer[addressBook] // nil while no client has a substitute address

	mu          sync.Mutex
	askedToRead bool
	askedToSend bool
}

// newSocket makes c's buffers as large as the system allows.
func newSocket(c *net.UDPConn) *Socket {
	_ = c.SetReadBuffer(BufferSize)
	_ = c.SetWriteBuffer(BufferSize)
	forceBuffers(c, BufferSize)
	s := &Socket{UDPConn: c, batch: ipv4.NewPacketConn(c)}
	if o := newOffload(c); o != nil {
		s.batch = o
	}
	return s
}

// A batchReader reads several packets at once.
type batchReader interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
}

// Listen opens a socket at addr; nil means all addresses, of IPv4 and IPv6
// where the system has both.
func Listen(addr *net.UDPAddr) (*Socket, error) {
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
func (s *Socket) SetReadBuffer(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askedToRead = true
	return nil
}

// SetWriteBuffer is like SetReadBuffer.
func (s *Socket) SetWriteBuffer(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askedToSend = true
	return nil
}

// SyscallConn fails until quic-go has called SetReadBuffer and SetWriteBuffer,
// so that it cannot check the sizes and complain. Later it needs the
// descriptor.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.askedToRead || !s.askedToSend {
		return nil, errors.New("the buffers are set")
	}
	return s.UDPConn.SyscallConn()
}
