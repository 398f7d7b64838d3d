package quicconn

import (
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// A path is suspected of being too small when no large packet has arrived
	// for blackHoleAfter, while large packets were sent at blackHoleRounds looks
	// of the watch. The time is needed because retransmissions become rarer
	// and rarer.
	blackHoleAfter  = 1500 * time.Millisecond
	blackHoleRounds = 2

	// The path to a peer is taken for broken when packets of it arrive but it has
	// acknowledged nothing for unackedAfter, while packets were sent at
	// unackedRounds looks of the watch. This is an idle timeout for the direction
	// to the peer; quic-go has one only for the other.
	unackedAfter  = 10 * time.Second
	unackedRounds = 3

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
	lossRounds int
	lossSince  time.Time

	// Since anything was last acknowledged: the same, and how many packets of
	// the peer have arrived.
	unackedRounds int
	unackedSince  time.Time
	received      uint64
}

// update updates the delivery with the current counters.
func (d *delivery) update(now time.Time, s quic.ConnectionStats) {
	was := d.last
	d.last = s
	sent, bytes := s.PacketsSent-was.PacketsSent, s.BytesSent-was.BytesSent
	large := bytes >= smallPackets*sent+leastPacket-smallPackets
	lossy := isLossy(was, s)
	acknowledged := isAcknowledged(was, s)
	if acknowledged {
		d.unackedRounds, d.received = 0, 0
	} else {
		d.received += s.PacketsReceived - was.PacketsReceived
		if large {
			countRound(&d.unackedRounds, &d.unackedSince, now)
		}
	}
	switch {
	case lossy, large && !acknowledged:
		countRound(&d.lossRounds, &d.lossSince, now)
	case acknowledged:
		d.lossRounds = 0
	}
}

func countRound(rounds *int, since *time.Time, now time.Time) {
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

// isBlackHole tells whether large packets seem to get lost.
func (d *delivery) isBlackHole(now time.Time) bool {
	return d.lossRounds >= blackHoleRounds && now.Sub(d.lossSince) >= blackHoleAfter
}

// isUnacked tells whether the peer is there but acknowledges nothing that is sent.
// Of a peer that does, at least one packet would arrive for each look at which
// something was sent.
func (d *delivery) isUnacked(now time.Time) bool {
	return d.unackedRounds >= unackedRounds && now.Sub(d.unackedSince) >= unackedAfter &&
		0 < d.received && d.received < uint64(d.unackedRounds)
}

// resetLoss starts the judgement of large packets from the beginning.
func (d *delivery) resetLoss() { d.lossRounds = 0 }
