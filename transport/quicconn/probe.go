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

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// A verdict is what a probe found out about an address.
type verdict int

const (
	verdictNone    verdict = iota // the probe was cancelled or failed
	verdictSilence                // no answer
	verdictAlive                  // a QUIC server answered
	verdictRefused                // nothing listens there
	verdictNarrow                 // packets of leastPacket bytes do not fit the path
)

const (
	// probeTimeout bounds the search for a QUIC server at the address.
	probeTimeout = 300 * time.Millisecond

	// probeInterval is the time between the packets of that search.
	probeInterval = 100 * time.Millisecond

	// measureInterval is the time between two rounds of a measurement, in each
	// of which one packet of each size is sent. There are measureRounds
	// rounds. The smallest packets of at least measureEnough rounds must be
	// answered: then a size that was never answered hardly has another reason
	// than that the path does not carry it.
	measureInterval = 60 * time.Millisecond
	measureRounds   = 6
	measureEnough   = 4

	// probeIDLen is the length of the connection IDs in a probe, in bytes.
	probeIDLen = 8
)

// largestPacket is the size of the largest packet that quic-go sends.
const largestPacket = 1452

// usualPacket is the largest size of the first packets that servers usually
// send: some begin with more than leastPacket.
const usualPacket = 1280

// sizes are the packet sizes with which a path is measured, in descending
// order: Ethernet, tunnels with an MTU of 1,420 and 1,400 bytes over IPv4 and
// IPv6, the usual first packets of servers, and an MTU of 1,280 bytes over
// IPv4 and IPv6.
var sizes = []int{largestPacket, 1392, 1372, 1352, usualPacket, 1252, 1232, leastPacket}

// sizesWith returns sizes with another size inserted.
func sizesWith(size int) []int {
	all := append(slices.Clip(sizes), size)
	slices.SortFunc(all, func(a, b int) int { return b - a })
	return slices.Compact(all)
}

// A PathError tells that the path to a server does not carry packets of the
// size that a connection needs.
type PathError struct {
	// Most is the size of the largest UDP payload that is known to arrive, in
	// bytes; 0 if not even one of 1,200 bytes does, the minimum of QUIC.
	Most int

	// Need is the size that has to arrive, in bytes.
	Need int
}

// Error names both sizes.
func (e *PathError) Error() string {
	if e.Most == 0 {
		return fmt.Sprintf("the path carries no UDP payloads of %d bytes, the minimum for QUIC", e.Need)
	}
	return fmt.Sprintf("the path carries UDP payloads of %d bytes, but none of %d", e.Most, e.Need)
}

// findings are the result of a probe.
type findings struct {
	verdict verdict
	most    int // the largest packet size that arrives; 0 if not known
}

// probe asks for QUIC at addr with a version number that is reserved for being
// unknown everywhere. A QUIC server answers that at once with the versions
// that it knows, and keeps no state. If there is one, probe goes on with
// packets of the given size and others, to measure what the path carries. Its
// socket is connected, so that the system reports when nothing listens at
// addr.
func probe(ctx context.Context, addr *net.UDPAddr, size int) findings {
	c, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		return findings{}
	}
	defer c.Close()
	whole := udp.DontFragment(c)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	v := alive(ctx, c)
	if v != verdictAlive || !whole {
		return findings{verdict: v}
	}
	return findings{v, measure(ctx, c, sizesWith(size))}
}

// alive looks for a QUIC server at the address that c is connected to.
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

// measure returns the largest of sizes, which are in descending order, at
// which packets arrive at the address that c is connected to; 0 if too many
// packets get lost to tell. The answers are small, so the way back is not
// measured.
func measure(ctx context.Context, c *net.UDPConn, sizes []int) (most int) {
	packets := make([][]byte, len(sizes))
	for i, size := range sizes {
		packets[i] = probePacket(size)
	}
	answered := 0 // rounds in which the smallest packet was answered
	for range measureRounds {
		for i, packet := range packets {
			if sizes[i] > most || i == len(packets)-1 {
				_ = send(c, packet) // fails if the system knows that it is too large
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

// send sends a packet. If the socket reports that an earlier packet was too
// large, it tries once more.
func send(c *net.UDPConn, packet []byte) error {
	_, err := c.Write(packet)
	if errors.Is(err, syscall.EMSGSIZE) {
		_, err = c.Write(packet)
	}
	return err
}

// answers calls take with each packet that arrives, until take returns true or
// the time has come. Errors that say that a packet was too large do not end
// it; the last of them is returned if no other error occurs.
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

// probePacket is a long header of version 0x1a2a3a4a with connection IDs,
// padded with random bytes.
func probePacket(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	copy(b, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, probeIDLen})
	b[6+probeIDLen] = probeIDLen
	return b
}

// isAnswer tells whether b is a version negotiation packet for the probe:
// version zero, and the connection IDs swapped.
func isAnswer(b, probe []byte) bool {
	destination := probe[5 : 6+probeIDLen]
	source := probe[6+probeIDLen : 7+2*probeIDLen]
	if len(b) < 7+2*probeIDLen || b[0]&0x80 == 0 || !bytes.Equal(b[1:5], make([]byte, 4)) {
		return false
	}
	return bytes.Equal(b[5:6+probeIDLen], source) && bytes.Equal(b[6+probeIDLen:7+2*probeIDLen], destination)
}
