package udp

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
	// busyBatch is how many datagrams one system call reads, and quietBatch
	// how many while no more than that arrive at once, to use less memory.
	// Eight were no faster than four.
	busyBatch  = 4
	quietBatch = 2

	// maxOffload is the size of the largest datagram into which the kernel
	// merges packets.
	maxOffload = 1 << 16

	// oobSize is the size of quic-go's buffer for control messages.
	oobSize = 128
)

// An offload reads from a socket with receive offload (UDP_GRO): the kernel
// merges consecutive packets of the same path into one datagram, and the
// offload splits it into packets again. One goroutine at a time may read.
type offload struct {
	raw  syscall.RawConn
	busy bool // the last system call read at least quietBatch datagrams

	// The memory that datagrams are read into. A buffer is set only while the
	// datagram in it has packets that were not returned yet.
	headers [busyBatch]messageHeader
	vectors [busyBatch]unix.Iovec
	names   [busyBatch]unix.RawSockaddrInet6
	oobs    [busyBatch][oobSize]byte
	buffers [busyBatch]*buffer

	count, next int          // datagrams, and the index of the one that is being split
	offset      int          // of its next packet, in bytes
	segment     int          // the size of its packets; the last may be smaller
	from        *net.UDPAddr // its sender
}

// A buffer holds a datagram.
type buffer [maxOffload]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// A messageHeader is the struct mmsghdr of Linux.
type messageHeader struct {
	unix.Msghdr
	length uint32
}

// newOffload enables receive offload on c. It returns nil where the kernel
// does not support it.
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
	o := &offload{raw: raw}
	for i := range o.headers {
		o.vectors[i].SetLen(maxOffload)
		h := &o.headers[i].Msghdr
		h.Iov = &o.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&o.names[i]))
		h.Control = &o.oobs[i][0]
	}
	return o
}

// ReadBatch reads at least one packet.
func (o *offload) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	if o.next == o.count {
		if err := o.fill(flags); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(ms) && o.copyPacket(&ms[n]) {
		n++
	}
	return n, nil
}

// fill waits for datagrams and reads them. It takes buffers only once they
// have arrived.
func (o *offload) fill(flags int) error {
	var failed error
	err := o.raw.Read(func(fd uintptr) bool {
		errno := o.readBatch(fd, flags)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			return false
		}
		if errno != 0 {
			failed = os.NewSyscallError("recvmmsg", errno)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return err
}

// readBatch reads the datagrams that have arrived, up to the size of a batch.
func (o *offload) readBatch(fd uintptr, flags int) syscall.Errno {
	most := quietBatch
	if o.busy {
		most = busyBatch
	}
	for i := range most {
		h := &o.headers[i].Msghdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(oobSize)
		h.Flags = 0
		o.buffers[i] = buffers.Get().(*buffer)
		o.vectors[i].Base = &o.buffers[i][0]
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&o.headers[0])), uintptr(most), uintptr(flags), 0, 0)
	if errno != 0 {
		n = 0
	}
	for i := int(n); i < most; i++ {
		o.returnBuffer(i)
	}
	if errno == 0 {
		o.count, o.next, o.offset, o.busy = int(n), 0, 0, int(n) >= quietBatch
	}
	return errno
}

// returnBuffer returns the buffer of datagram i to the pool.
func (o *offload) returnBuffer(i int) {
	buffers.Put(o.buffers[i])
	o.buffers[i], o.vectors[i].Base = nil, nil
}

// copyPacket copies the next packet to m. It reports false when there is none left.
func (o *offload) copyPacket(m *ipv4.Message) bool {
	i := o.next
	if i == o.count {
		return false
	}
	length, oob := int(o.headers[i].length), o.oobs[i][:o.headers[i].Controllen]
	if o.offset == 0 {
		o.from, o.segment = address(&o.names[i]), segmentSize(oob)
	}
	end := length
	if o.segment > 0 {
		end = min(o.offset+o.segment, length)
	}
	m.N = copy(m.Buffers[0], o.buffers[i][o.offset:end])
	m.NN = copy(m.OOB, oob)
	m.Addr, m.Flags = o.from, int(o.headers[i].Flags)
	if o.offset = end; end == length {
		o.returnBuffer(i)
		o.next, o.offset = i+1, 0
	}
	return true
}

// segmentSize returns the size of the packets in a merged datagram; 0 if it
// was not merged.
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

// address returns the sender of a datagram.
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

// zone returns the name of a network interface. Names are cached; there are
// few.
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
