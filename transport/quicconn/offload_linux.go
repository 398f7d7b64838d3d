package quicconn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// busyBatch is how many datagrams one system call reads, and quietBatch how
	// many while no more than that arrive at once, which takes less memory.
	busyBatch  = 8
	quietBatch = 2

	// maxOffload is how large the kernel makes a datagram of many packets.
	maxOffload = 1 << 16

	// oobSize is what quic-go has room for of control messages.
	oobSize = 128
)

// An offload reads packets of which the kernel has put several, that follow
// each other on the same path, into one datagram (UDP_GRO), and hands them out
// one by one. It is for one reader at a time.
type offload struct {
	raw   syscall.RawConn
	batch *batch // with packets to hand out, or nil
	busy  bool   // the last one held as many as a quiet one can
}

// newOffload switches the offload on; it is nil where the kernel has none.
func newOffload(c *net.UDPConn) *offload {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	failed := error(unix.EINVAL)
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}); err != nil || failed != nil {
		return nil
	}
	return &offload{raw: raw}
}

// A batch is what one system call has read. A socket has one only while it has
// packets to hand out.
type batch struct {
	headers []messageHeader
	vectors []unix.Iovec
	names   []unix.RawSockaddrInet6
	oobs    [][oobSize]byte
	data    [][maxOffload]byte

	count, next int // datagrams, and the one whose packets are handed out
	offset      int // in that, of its next packet
	segment     int // the size of its packets, but for the last
	from        *net.UDPAddr
}

var (
	busyBatches  = sync.Pool{New: func() any { return newBatch(busyBatch) }}
	quietBatches = sync.Pool{New: func() any { return newBatch(quietBatch) }}
)

func takeBatch(busy bool) *batch {
	if busy {
		return busyBatches.Get().(*batch)
	}
	return quietBatches.Get().(*batch)
}

func (b *batch) giveBack() {
	if len(b.headers) == busyBatch {
		busyBatches.Put(b)
	} else {
		quietBatches.Put(b)
	}
}

// A messageHeader is the system's struct mmsghdr.
type messageHeader struct {
	unix.Msghdr
	length uint32
}

func newBatch(size int) *batch {
	b := &batch{
		headers: make([]messageHeader, size),
		vectors: make([]unix.Iovec, size),
		names:   make([]unix.RawSockaddrInet6, size),
		oobs:    make([][oobSize]byte, size),
		data:    make([][maxOffload]byte, size),
	}
	for i := range b.headers {
		b.vectors[i].Base = &b.data[i][0]
		b.vectors[i].SetLen(maxOffload)
		h := &b.headers[i].Msghdr
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Control = &b.oobs[i][0]
	}
	return b
}

// ReadBatch reads at least one packet.
func (o *offload) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	if o.batch == nil {
		if err := o.fill(flags); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(ms) && o.batch.take(&ms[n]) {
		n++
	}
	if o.batch.next == o.batch.count {
		o.batch.giveBack()
		o.batch = nil
	}
	return n, nil
}

// fill waits for datagrams. Memory for them is taken when they are there.
func (o *offload) fill(flags int) error {
	var failed error
	err := o.raw.Read(func(fd uintptr) bool {
		b := takeBatch(o.busy)
		errno := b.read(fd, flags)
		if errno == 0 {
			o.batch, o.busy = b, b.count >= quietBatch
			return true
		}
		b.giveBack()
		if errno == unix.EAGAIN || errno == unix.EINTR {
			return false
		}
		failed = os.NewSyscallError("recvmmsg", errno)
		return true
	})
	if err == nil {
		err = failed
	}
	return err
}

func (b *batch) read(fd uintptr, flags int) syscall.Errno {
	for i := range b.headers {
		h := &b.headers[i].Msghdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(oobSize)
		h.Flags = 0
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])), uintptr(len(b.headers)), uintptr(flags), 0, 0)
	if errno != 0 {
		return errno
	}
	b.count, b.next, b.offset = int(n), 0, 0
	return 0
}

// take hands out a packet. It reports false when there are none left.
func (b *batch) take(m *ipv4.Message) bool {
	if b.next == b.count {
		return false
	}
	length, oob := int(b.headers[b.next].length), b.control()
	if b.offset == 0 {
		b.from, b.segment = address(&b.names[b.next]), segmentSize(oob)
	}
	end := length
	if b.segment > 0 {
		end = min(b.offset+b.segment, length)
	}
	m.N = copy(m.Buffers[0], b.data[b.next][b.offset:end])
	m.NN = copy(m.OOB, oob)
	m.Addr, m.Flags = b.from, int(b.headers[b.next].Flags)
	if b.offset = end; end == length {
		b.next, b.offset = b.next+1, 0
	}
	return true
}

// control is the control messages of the datagram whose turn it is.
func (b *batch) control() []byte {
	return b.oobs[b.next][:b.headers[b.next].Controllen]
}

// segmentSize is the size of the packets in a datagram; 0 if it is one.
func segmentSize(oob []byte) int {
	for len(oob) > 0 {
		h, body, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return 0
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(body) >= 4 {
			return int(binary.NativeEndian.Uint32(body))
		}
		oob = rest
	}
	return 0
}

// address is whom a datagram comes from.
func address(name *unix.RawSockaddrInet6) *net.UDPAddr {
	port := func(p uint16) uint16 {
		return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&p))[:])
	}
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port(v4.Port)))
	}
	ip := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 {
		ip = ip.WithZone(zone(name.Scope_id))
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port(name.Port)))
}

// zone is the name of a network interface, of which there are few.
func zone(index uint32) string {
	if known, ok := zones.Load(index); ok {
		return known.(string)
	}
	name := strconv.Itoa(int(index))
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	zones.Store(index, name)
	return name
}

var zones sync.Map // uint32 to string
