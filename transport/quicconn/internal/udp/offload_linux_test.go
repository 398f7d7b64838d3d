package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// offloaded opens a socket at addr that reads with receive offload.
func offloaded(t *testing.T, addr string) *Socket {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, ok := s.batch.(*offload); !ok {
		t.Fatal("this kernel has no UDP_GRO")
	}
	return s
}

// messages returns buffers like those that quic-go reads into.
func messages(n int) []ipv4.Message {
	ms := make([]ipv4.Message, n)
	for i := range ms {
		ms[i].Buffers, ms[i].OOB = [][]byte{make([]byte, 1452)}, make([]byte, oobSize)
	}
	return ms
}

// read reads a number of packets, at most eight at a time.
func read(t *testing.T, s *Socket, n int) (packets []ipv4.Message) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(packets) < n {
		ms := messages(8)
		got, err := s.ReadBatch(ms, 0)
		if err != nil || got == 0 {
			t.Fatalf("after %d packets: %d, %v", len(packets), got, err)
		}
		packets = append(packets, ms[:got]...)
	}
	return packets
}

// sendOffloaded sends several packets of a size, the last perhaps smaller,
// with one system call.
func sendOffloaded(t *testing.T, from *net.UDPConn, to net.Addr, data []byte, size int, tos byte) {
	t.Helper()
	oob := make([]byte, 0, 64)
	oob = control(oob, unix.IPPROTO_UDP, unix.UDP_SEGMENT, []byte{byte(size), byte(size >> 8)})
	oob = control(oob, unix.IPPROTO_IP, unix.IP_TOS, []byte{tos, 0, 0, 0})
	if _, _, err := from.WriteMsgUDP(data, oob, to.(*net.UDPAddr)); err != nil {
		t.Fatal(err)
	}
}

func control(oob []byte, level, kind int32, body []byte) []byte {
	start := len(oob)
	oob = append(oob, make([]byte, unix.CmsgSpace(len(body)))...)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[start]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(body)))
	copy(oob[start+unix.CmsgLen(0):], body)
	return oob
}

// Packets of all sizes are returned one by one, with their sender and ECN
// mark.
func TestOffload(t *testing.T) {
	s := offloaded(t, "127.0.0.1:0")
	raw, err := s.UDPConn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
	if err != nil {
		t.Fatal(err)
	}
	var senders []*net.UDPConn
	for range 3 {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		senders = append(senders, c)
	}
	var want []string
	for i, size := range []int{1200, 100, 1452, 1, 1000} {
		for j, from := range senders {
			count := 10 + i
			data := make([]byte, 0, count*size)
			for n := range count {
				packet := bytes.Repeat([]byte{byte(i*50 + j*20 + n)}, size)
				if n == count-1 {
					packet = packet[:(size+1)/2]
				}
				data = append(data, packet...)
				want = append(want, fmt.Sprint(from.LocalAddr(), len(packet), packet[0], 2))
			}
			sendOffloaded(t, from, s.LocalAddr(), data, size, 2)
		}
	}
	var got []string
	for _, m := range read(t, s, len(want)) {
		tos := -1
		for oob := m.OOB[:m.NN]; len(oob) > 0; {
			h, body, rest, err := unix.ParseOneSocketControlMessage(oob)
			if err != nil {
				t.Fatal(err)
			}
			if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS {
				tos = int(body[0])
			}
			oob = rest
		}
		packet := m.Buffers[0][:m.N]
		if bytes.Count(packet, packet[:1]) != len(packet) {
			t.Errorf("a packet is of several: %x", packet)
		}
		got = append(got, fmt.Sprint(m.Addr, m.N, packet[0], tos))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// Packets larger than the reader's buffers are truncated, as without the
// offload.
func TestOffloadCuts(t *testing.T) {
	s := offloaded(t, "127.0.0.1:0")
	c, err := net.DialUDP("udp", nil, s.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{9000, 0, 10} {
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for _, m := range read(t, s, 3) {
		sizes = append(sizes, m.N)
	}
	if !slices.Equal(sizes, []int{1452, 0, 10}) {
		t.Errorf("read packets of %v", sizes)
	}
}

func TestOffloadAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		s := offloaded(t, addr)
		to := *s.LocalAddr().(*net.UDPAddr)
		if to.IP.IsUnspecified() {
			to.IP = net.IPv4(127, 0, 0, 1)
		}
		c, err := net.DialUDP("udp", nil, &to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		from, ours := read(t, s, 1)[0].Addr.(*net.UDPAddr), c.LocalAddr().(*net.UDPAddr)
		if !from.IP.Equal(ours.IP) || from.Port != ours.Port {
			t.Errorf("%s: it comes from %v, not %v", addr, from, ours)
		}
	}
}

// A blocked read returns when the socket is closed or its deadline passes.
func TestOffloadEnds(t *testing.T) {
	s := offloaded(t, "127.0.0.1:0")
	_ = s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := s.ReadBatch(messages(8), 0)
	timeout, ok := errors.AsType[net.Error](err)
	if !ok || !timeout.Timeout() {
		t.Errorf("after the deadline: %v", err)
	}
	_ = s.SetReadDeadline(time.Time{})
	time.AfterFunc(10*time.Millisecond, func() { s.Close() })
	if _, err := s.ReadBatch(messages(8), 0); !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.EBADF) {
		t.Errorf("after Close: %v", err)
	}
}
