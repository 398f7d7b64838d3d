package quicconn

import (
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// suspectAfter is how long nothing large arrives until a path is suspected
	// of being too small, and suspectRounds at how many looks something large was
	// sent meanwhile. Retransmissions come ever more seldom.
	suspectAfter  = 1500 * time.Millisecond
	suspectRounds = 2

	// deafAfter is how long a peer that is heard may acknowledge nothing, and
	// deafRounds at how many looks something was sent meanwhile. It is the idle
	// timeout of the way to the peer; quic-go has one for the way back alone.
	deafAfter  = 10 * time.Second
	deafRounds = 3

	// smallPackets bounds those that acknowledge and ping, in bytes.
	smallPackets = 200
)

// A delivery judges by the counters of a connection whether its large packets
// arrive. quic-go never makes packets smaller than they once could be: when a
// path shrinks, all large ones are lost, again and again, while pings and
// acknowledgements pass and keep the connection open.
//
// A connection that is idle, waits for credit, or whose peer does not read
// sends nothing large; what it sent before was acknowledged.
type delivery struct {
	last quic.ConnectionStats

	// Since something large was last acknowledged: at how many looks there was
	// something large that was not, and the time of the first.
	rounds int
	since  time.Time

	// Since anything was last acknowledged: the same, and how many packets have
	// come.
	unheard      int
	unheardSince time.Time
	heard        uint64
}

// look takes in what the counters say now.
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

// isAcknowledged says that the peer has acknowledged something meanwhile: that
// is a new sample of the round trip, or tells what was lost before.
func isAcknowledged(was, is quic.ConnectionStats) bool {
	return is.LatestRTT != was.LatestRTT || is.MeanDeviation != was.MeanDeviation || is.PacketsLost != was.PacketsLost
}

// isLossy says that what was lost meanwhile are large packets alone, and more
// than a quarter of all bytes.
func isLossy(was, is quic.ConnectionStats) bool {
	packets, bytes := is.PacketsLost-was.PacketsLost, is.BytesLost-was.BytesLost
	return packets > 0 && bytes >= leastPacket*packets && 4*bytes >= is.BytesSent-was.BytesSent
}

// suspect says that large packets seem to get lost on the way.
func (d *delivery) suspect(now time.Time) bool {
	return d.rounds >= suspectRounds && now.Sub(d.since) >= suspectAfter
}

// deaf says that a peer that is there acknowledges nothing of what is sent. One
// that does would be heard whenever something was sent.
func (d *delivery) deaf(now time.Time) bool {
	return d.unheard >= deafRounds && now.Sub(d.unheardSince) >= deafAfter &&
		0 < d.heard && d.heard < uint64(d.unheard)
}

// again begins to judge anew.
func (d *delivery) again() { d.rounds = 0 }
