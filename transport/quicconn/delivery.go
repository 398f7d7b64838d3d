package quicconn

import (
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// A path is suspected of being too small when no large packet has arrived
	// for suspectAfter, while large packets were sent at suspectRounds looks
	// of the watch. The time is needed because retransmissions become rarer
	// and rarer.
	suspectAfter  = 1500 * time.Millisecond
	suspectRounds = 2

	// A peer is taken for deaf when packets of it arrive but it has
	// acknowledged nothing for deafAfter, while packets were sent at
	// deafRounds looks of the watch. This is an idle timeout for the direction
	// to the peer; quic-go has one only for the other.
	deafAfter  = 10 * time.Second
	deafRounds = 3

	// smallPackets is the size up to which packets are taken for
	// acknowledgements and pings, in bytes.
	smallPackets = 200
)

// A delivery derives from the counters of a connection whether its large
// packets arrive. quic-go never makes packets smaller: when a path shrinks, it
// loses all large packets again and again, while pings and acknowledgements
// pass and keep the connection open.
//
// A connection that is idle, waits for flow control credit, or has a peer that
// does not read, is not suspected: it sends nothing large, and what it sent
// before was acknowledged.
type delivery struct {
	last quic.ConnectionStats

	// Since a large packet was last acknowledged: the number of looks at which
	// large packets were outstanding, and the time of the first.
	rounds int
	since  time.Time

	// Since anything was last acknowledged: the same, and how many packets of
	// the peer have arrived.
	unheard      int
	unheardSince time.Time
	heard        uint64
}

// look updates the delivery with the current counters.
func (d *delivery) look(now time.Time, s quic.ConnectionStats) {
	was := d.last
	d.last = s
	sent, bytes := s.PacketsSent-was.PacketsSent, s.BytesSent-was.BytesSent
	large := bytes >= smallPackets*sent+leastPacket-smallPackets
	lossy := isLossy(was, s)
	acknowledged := isAcknowledged(was, s)
	if acknowledged {
		d.unheard, d.heard = 0, 0
	} else {
		d.heard += s.PacketsReceived - was.PacketsReceived
		if large {
			count(&d.unheard, &d.unheardSince, now)
		}
	}
	switch {
	case lossy, large && !acknowledged:
		count(&d.rounds, &d.since, now)
	case acknowledged:
		d.rounds = 0
	}
}

func count(rounds *int, since *time.Time, now time.Time) {
	if *rounds == 0 {
		*since = now
	}
	*rounds++
}

// isAcknowledged tells whether the peer has acknowledged something between two
// looks: that changes the round-trip time, or reveals losses.
func isAcknowledged(was, is quic.ConnectionStats) bool {
	return is.LatestRTT != was.LatestRTT || is.MeanDeviation != was.MeanDeviation || is.PacketsLost != was.PacketsLost
}

// isLossy tells whether all packets lost between two looks were large, and
// were more than a quarter of the bytes sent.
func isLossy(was, is quic.ConnectionStats) bool {
	packets, bytes := is.PacketsLost-was.PacketsLost, is.BytesLost-was.BytesLost
	return packets > 0 && bytes >= leastPacket*packets && 4*bytes >= is.BytesSent-was.BytesSent
}

// suspect tells whether large packets seem to get lost.
func (d *delivery) suspect(now time.Time) bool {
	return d.rounds >= suspectRounds && now.Sub(d.since) >= suspectAfter
}

// deaf tells whether the peer is there but acknowledges nothing that is sent.
// Of a peer that does, at least one packet would arrive for each look at which
// something was sent.
func (d *delivery) deaf(now time.Time) bool {
	return d.unheard >= deafRounds && now.Sub(d.unheardSince) >= deafAfter &&
		0 < d.heard && d.heard < uint64(d.unheard)
}

// again starts the judgement of large packets from the beginning.
func (d *delivery) again() { d.rounds = 0 }
