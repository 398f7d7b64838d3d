package ingest_test

import (
	"io"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

// endless gives n packets of 1 KiB.
type endless struct {
	n, at   int
	payload []byte
}

func (*endless) Tracks() []media.Track { return []media.Track{videoTrack()} }

func (s *endless) ReadPacket(p *media.Packet) error {
	if s.at == s.n {
		return io.EOF
	}
	at := time.Duration(s.at) * picture
	*p = media.Packet{Track: videoID, PTS: at, DTS: at, Duration: picture, Key: s.at%250 == 0, Payload: append(p.Payload[:0], s.payload...)}
	s.at++
	return nil
}

// BenchmarkPacket is the cost of a packet of 1 KiB from the source into the live
// track, in each container.
func BenchmarkPacket(b *testing.B) {
	for name, kind := range map[string]media.ContainerKind{"legacy": media.Legacy, "loc": media.LOC, "cmaf": media.CMAF} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1024)
			var broadcast live.Broadcast
			s := &endless{n: b.N, payload: make([]byte, 1024)}
			if err := ingest.Run(b.Context(), &broadcast, s, &ingest.Config{Pace: ingest.Immediate, Container: kind}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
