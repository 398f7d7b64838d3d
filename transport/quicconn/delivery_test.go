package quicconn

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// A scene sets the counters that a connection shows at look i.
type scene func(i int, s *quic.ConnectionStats)

// sends counts packets of a size as sent.
func sends(s *quic.ConnectionStats, packets, bytes uint64) {
	s.PacketsSent += packets
	s.BytesSent += packets * bytes
}

// answered counts acknowledgements.
func answered(s *quic.ConnectionStats, packets uint64) {
	s.PacketsReceived += packets
	s.LatestRTT += time.Microsecond
}

// lose counts packets that were lost.
func lose(s *quic.ConnectionStats, packets, bytes uint64) {
	s.PacketsLost += packets
	s.BytesLost += packets * bytes
}

// backedOff tells whether a retransmission timeout has sent two packets before
// look i. The intervals between these grow.
func backedOff(i int) bool { return i == 0 || i == 1 || i == 3 || i == 7 || i == 15 }

// play returns after how many looks a delivery is suspected, and after how
// many its peer counts as deaf; 0 means never.
func play(looks int, scene scene) (suspected, deaf time.Duration) {
	var d delivery
	s := quic.ConnectionStats{LatestRTT: 20 * time.Millisecond, PacketsSent: 100, BytesSent: 100_000, PacketsReceived: 80}
	start := time.Unix(0, 0)
	d.update(start, s)
	for i := range looks {
		now := start.Add(time.Duration(i+1) * checkInterval)
		scene(i, &s)
		d.update(now, s)
		if suspected == 0 && d.isBlackHole(now) {
			suspected = now.Sub(start)
		}
		if deaf == 0 && d.isUnacked(now) {
			deaf = now.Sub(start)
		}
	}
	return suspected, deaf
}

func TestDeliverySuspects(t *testing.T) {
	for name, c := range map[string]struct {
		scene scene
		deaf  bool
	}{
		"all that is sent is large, and the peer pings": {func(i int, s *quic.ConnectionStats) {
			if i == 0 {
				sends(s, 30, 1452)
			}
			if backedOff(i) {
				sends(s, 2, 1452)
			}
			if i%6 == 5 {
				s.PacketsReceived++
			}
		}, true},
		"the ends of frames arrive": {func(_ int, s *quic.ConnectionStats) {
			sends(s, 10, 300)
			sends(s, 10, 1452)
			lose(s, 10, 1452)
			answered(s, 5)
		}, false},
		"one packet is lost again and again beside audio": {func(_ int, s *quic.ConnectionStats) {
			sends(s, 50, 200)
			sends(s, 5, 1452)
			lose(s, 5, 1452)
			answered(s, 25)
		}, false},
		"one packet is lost now and then, over a long path": {func(_ int, s *quic.ConnectionStats) {
			sends(s, 10, 200)
			sends(s, 1, 1452)
			lose(s, 1, 1452)
			answered(s, 5)
		}, false},
	} {
		suspected, deaf := play(40, c.scene)
		if suspected == 0 || suspected > 4*time.Second {
			t.Errorf("%s: suspected after %v", name, suspected)
		}
		if (deaf != 0) != c.deaf || deaf > 11*time.Second {
			t.Errorf("%s: deaf after %v", name, deaf)
		}
	}
}

func TestDeliveryTrusts(t *testing.T) {
	for name, scene := range map[string]scene{
		"nothing is sent": func(i int, s *quic.ConnectionStats) {
			if i%6 == 0 {
				sends(s, 1, 30)
				answered(s, 1)
			}
		},
		"it receives, and acknowledges": func(_ int, s *quic.ConnectionStats) {
			sends(s, 500, 40)
			s.PacketsReceived += 1000
		},
		"all arrives": func(_ int, s *quic.ConnectionStats) {
			sends(s, 1000, 1452)
			answered(s, 500)
		},
		"one of five packets is lost": func(i int, s *quic.ConnectionStats) {
			sends(s, 50, 1452)
			lose(s, 9+uint64(i%3), 1452)
			answered(s, 20)
		},
		"one packet is lost now and then": func(i int, s *quic.ConnectionStats) {
			sends(s, 8, 1452)
			answered(s, 4)
			if i%3 == 0 {
				lose(s, 2, 1452)
			}
		},
		"half of small packets are lost": func(_ int, s *quic.ConnectionStats) {
			sends(s, 50, 600)
			lose(s, 25, 600)
			answered(s, 12)
		},
		"the peer does not read": func(i int, s *quic.ConnectionStats) {
			if i == 0 {
				sends(s, 400, 1452)
				answered(s, 200)
			}
			if i%6 == 5 {
				sends(s, 1, 40)
				answered(s, 1)
			}
		},
		"a frame a second, acknowledged late": func(i int, s *quic.ConnectionStats) {
			if i%2 == 0 {
				sends(s, 4, 1452)
			} else {
				answered(s, 2)
			}
		},
	} {
		if suspected, deaf := play(100, scene); suspected != 0 || deaf != 0 {
			t.Errorf("%s: suspected after %v, deaf after %v", name, suspected, deaf)
		}
	}
}

// A network that is silent for 5 seconds is suspected, since a measurement
// finds the truth, but the peer does not count as deaf.
func TestDeliverySilence(t *testing.T) {
	_, deaf := play(100, func(i int, s *quic.ConnectionStats) {
		switch {
		case i < 10 && backedOff(i):
			sends(s, 2, 1452)
		case i > 15:
			sends(s, 20, 1452)
			answered(s, 10)
		}
	})
	if deaf != 0 {
		t.Errorf("deaf after %v", deaf)
	}
}
