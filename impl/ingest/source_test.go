package ingest_test

import (
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// A source gives packets at times of its own, as a file, a pipe or a camera
// does.
type source struct {
	tracks  []media.Track
	packets []timed
	end     error // after the last packet; nil is io.EOF

	start time.Time // of the first read
	at    int
}

// timed is a packet, and when it is there, counted from the first read.
type timed struct {
	media.Packet
	ready time.Duration
}

func (s *source) Tracks() []media.Track { return s.tracks }

func (s *source) ReadPacket(p *media.Packet) error {
	if s.start.IsZero() {
		s.start = time.Now()
	}
	if s.at == len(s.packets) {
		if s.end != nil {
			return s.end
		}
		return io.EOF
	}
	next := s.packets[s.at]
	s.at++
	time.Sleep(time.Until(s.start.Add(next.ready)))
	payload := append(p.Payload[:0], next.Payload...)
	*p = next.Packet
	p.Payload = payload
	return nil
}

// A looped source can begin again.
type looped struct{ source }

func (s *looped) Rewind() error { s.at = 0; return nil }

const (
	videoID = 1
	audioID = 2

	picture = 40 * time.Millisecond // 25 a second
	sound   = 20 * time.Millisecond
)

func videoTrack() media.Track {
	return media.Track{ID: videoID, Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 160, Height: 120}}}
}

func audioTrack() media.Track {
	return media.Track{ID: audioID, Audio: &media.AudioRendition{Codec: "opus", SampleRate: 48000, Channels: 2}}
}

// pictures returns n pictures from a time on, each 25th a key frame.
func pictures(from time.Duration, n int) (packets []timed) {
	for i := range n {
		at := from + time.Duration(i)*picture
		packets = append(packets, timed{Packet: media.Packet{
			Track: videoID, PTS: at, DTS: at, Duration: picture, Key: i%25 == 0, Payload: payload(videoID, i),
		}})
	}
	return packets
}

// sounds returns n packets of sound from a time on.
func sounds(from time.Duration, n int) (packets []timed) {
	for i := range n {
		at := from + time.Duration(i)*sound
		packets = append(packets, timed{Packet: media.Packet{
			Track: audioID, PTS: at, DTS: at, Duration: sound, Key: true, Payload: payload(audioID, i),
		}})
	}
	return packets
}

// payload returns what tells a packet from all others.
func payload(track, i int) []byte { return []byte{byte(track), byte(i >> 16), byte(i >> 8), byte(i)} }

// readyTogether has bursts of packets come at once, when the last of each would
// have come from a camera.
func readyTogether(packets []timed, burst time.Duration) []timed {
	for i := range packets {
		packets[i].ready = (packets[i].DTS/burst + 1) * burst
	}
	return packets
}
