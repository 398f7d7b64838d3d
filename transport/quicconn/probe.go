package quicconn

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
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
)

const (
	// probeTimeout bounds a probe.
	probeTimeout = 300 * time.Millisecond

	// probeInterval is the time from one packet of a probe to the next.
	probeInterval = 100 * time.Millisecond

	// probeSize is the least size of a packet that servers answer.
	probeSize = 1200

	// probeIDLen is the length of the connection IDs in a probe.
	probeIDLen = 8
)

// probe asks for QUIC at addr with a version that is reserved for being unknown
// everywhere, so that a server answers at once with those that it knows, and
// keeps nothing. The socket is connected: it is told of refusals.
func probe(ctx context.Context, addr *net.UDPAddr) verdict {
	c, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		return verdictNone
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	packet := probePacket()
	answer := make([]byte, 1500)
	for end := time.Now().Add(probeTimeout); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := c.Write(packet); err != nil {
			return refused(err)
		}
		round := time.Now().Add(probeInterval)
		for time.Now().Before(round) && ctx.Err() == nil {
			_ = c.SetReadDeadline(round)
			n, err := c.Read(answer)
			switch netErr, _ := err.(net.Error); {
			case err == nil && isAnswer(answer[:n], packet):
				return verdictAlive
			case err != nil && !netErr.Timeout():
				return refused(err)
			}
		}
	}
	if ctx.Err() != nil {
		return verdictNone
	}
	return verdictSilence
}

func refused(err error) verdict {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return verdictRefused
	}
	return verdictNone
}

// probePacket is a long header of version 0x1a2a3a4a and connection IDs, padded
// with random bytes.
func probePacket() []byte {
	b := make([]byte, probeSize)
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
