package quicconn

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
)

// A verdict is what a probe found out about an address.
type verdict int

const (
	verdictNone    verdict = iota // no probe was made to the end
	verdictSilence                // nothing came back
	verdictAlive                  // QUIC is spoken there
	verdictRefused                // nothing listens there
	verdictNarrow                 // packets of leastPacket bytes do not fit the path
)

const (
	// probeTimeout bounds a probe.
	probeTimeout = 300 * time.Millisecond

	// probeInterval is the time from one packet of a probe to the next.
	probeInterval = 100 * time.Millisecond

	// measureInterval is the time from one packet of each size to the next,
	// measureRounds how many there are, and measureEnough how many of the least
	// must be answered: then hardly any size is missed for another reason than
	// that the path does not carry it.
	measureInterval = 60 * time.Millisecond
	measureRounds   = 6
	measureEnough   = 4

	// probeIDLen is the length of the connection IDs in a probe.
	probeIDLen = 8
)

// largestPacket is the largest packet that quic-go sends.
const largestPacket = 1452

// usualPacket is the size that servers, without a better knowledge, may begin
// with: the first packets of some are larger than leastPacket.
const usualPacket = 1280

// sizes are those of the packets that measure a path, the largest first: what
// Ethernet carries, tunnels of 1,420 and 1,400 bytes over IPv4 and IPv6, what
// servers begin with, and paths of 1,280 bytes over IPv4 and IPv6.
var sizes = []int{largestPacket, 1392, 1372, 1352, usualPacket, 1252, 1232, leastPacket}

// sizesWith are the usual sizes and another one.
func sizesWith(size int) []int {
	all := append(slices.Clip(sizes), size)
	slices.SortFunc(all, func(a, b int) int { return b - a })
	return slices.Compact(all)
}

// A PathError tells that the path to a server does not carry packets of the
// size that a connection needs.
type PathError struct {
	// Most is the size of the largest UDP payload that is known to pass, in
	// bytes; 0 if not even one of 1,200 does, which is the least for QUIC.
	Most int

	// Need is the size of those that have to pass.
	Need int
}

// Error tells both sizes.
func (e *PathError) Error() string {
	if e.Most == 0 {
		return fmt.Sprintf("the path carries no UDP payloads of %d bytes, the least that QUIC needs", e.Need)
	}
	return fmt.Sprintf("the path carries UDP payloads of %d bytes, but none of %d", e.Most, e.Need)
}

// findings are what a probe found out.
type findings struct {
	verdict verdict
	most    int // the largest packet that passes; 0 if that is not known
}

// probe asks for QUIC at addr with a version that is reserved for being unknown
// everywhere, so that a server answers at once with those that it knows, and
// keeps nothing. Where there is QUIC, it asks on with packets of that and other
// sizes for what the path carries. The socket is connected: it is told of refusals.
func probe(ctx context.Context, addr *net.UDPAddr, size int) findings {
	c, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		return findings{}
	}
	defer c.Close()
	whole := dontFragment(c)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	v := alive(ctx, c)
	if v != verdictAlive || !whole {
		return findings{verdict: v}
	}
	return findings{v, measure(ctx, c, sizesWith(size))}
}

// alive asks for QUIC at the address that c is connected to.
func alive(ctx context.Context, c *net.UDPConn) verdict {
	packet := probePacket(leastPacket)
	v := verdictSilence
	for end := time.Now().Add(probeTimeout); time.Now().Before(end) && ctx.Err() == nil; {
		err := send(c, packet)
		if err != nil && !errors.Is(err, syscall.EMSGSIZE) {
			return refused(err)
		}
		if err != nil {
			v = verdictNarrow
		}
		answered := false
		err = answers(c, time.Now().Add(probeInterval), func(b []byte) bool {
			answered = isAnswer(b, packet)
			return answered
		})
		switch {
		case answered:
			return verdictAlive
		case errors.Is(err, syscall.EMSGSIZE):
			v = verdictNarrow
		case err != nil:
			return refused(err)
		}
	}
	if ctx.Err() != nil && v == verdictSilence {
		return verdictNone
	}
	return v
}

// measure returns the largest of sizes, which begin with the largest, of which
// packets arrive at the address that c is connected to. It is 0 where too much
// gets lost to tell. What comes back is small: the way back is not measured.
func measure(ctx context.Context, c *net.UDPConn, sizes []int) (most int) {
	packets := make([][]byte, len(sizes))
	for i, size := range sizes {
		packets[i] = probePacket(size)
	}
	answered := 0 // rounds, of the least size
	for range measureRounds {
		for i, packet := range packets {
			if sizes[i] > most || i == len(packets)-1 {
				_ = send(c, packet) // what is too large may fail at once
			}
		}
		least := false
		_ = answers(c, time.Now().Add(measureInterval), func(b []byte) bool {
			if i := slices.IndexFunc(packets, func(p []byte) bool { return isAnswer(b, p) }); i >= 0 {
				most, least = max(most, sizes[i]), least || i == len(packets)-1
			}
			return most == sizes[0]
		})
		if least {
			answered++
		}
		if most == sizes[0] {
			return most
		}
		if ctx.Err() != nil {
			return 0
		}
	}
	if answered < measureEnough {
		return 0
	}
	return most
}

// send sends a packet. The socket may fail first with what it was told of one
// before, which was too large.
func send(c *net.UDPConn, packet []byte) error {
	_, err := c.Write(packet)
	if errors.Is(err, syscall.EMSGSIZE) {
		_, err = c.Write(packet)
	}
	return err
}

// answers hands what arrives until then to take, which is true to end that. An
// error of the socket that says that a packet was too large ends nothing, and is
// returned if there was no other.
func answers(c *net.UDPConn, until time.Time, take func([]byte) bool) (failed error) {
	var b [2048]byte
	for {
		_ = c.SetReadDeadline(until)
		n, err := c.Read(b[:])
		netErr, _ := err.(net.Error)
		switch {
		case err == nil && take(b[:n]):
			return nil
		case err == nil:
		case errors.Is(err, syscall.EMSGSIZE):
			failed = err
		case netErr != nil && netErr.Timeout():
			return failed
		default:
			return err
		}
	}
}

func refused(err error) verdict {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return verdictRefused
	}
	return verdictNone
}

// probePacket is a long header of version 0x1a2a3a4a and connection IDs, padded
// with random bytes.
func probePacket(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	copy(b, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, probeIDLen})
	b[6+probeIDLen] = probeIDLen
	return b
}

// isAnswer says that b is a version negotiation packet for the probe: version
// zero, and the connection IDs the other way round.
func isAnswer(b, probe []byte) bool {
	destination := probe[5 : 6+probeIDLen]
	source := probe[6+probeIDLen : 7+2*probeIDLen]
	if len(b) < 7+2*probeIDLen || b[0]&0x80 == 0 || !bytes.Equal(b[1:5], make([]byte, 4)) {
		return false
	}
	return bytes.Equal(b[5:6+probeIDLen], source) && bytes.Equal(b[6+probeIDLen:7+2*probeIDLen], destination)
}
