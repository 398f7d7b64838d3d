package ingest

import (
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// timescale is that of all media tracks: microseconds.
const timescale = 1_000_000

// An encoder makes the frame of a packet, in the container of its track.
type encoder interface {
	append(dst []byte, p *media.Packet) ([]byte, error)
}

// newEncoder returns the encoder of a track, and the initialization segment of
// its container, if it has one.
func newEncoder(kind media.ContainerKind, track media.Track) (encoder, []byte, error) {
	switch kind {
	case media.CMAF:
		return newFragments(track)
	case media.LOC:
		return frames(media.AppendLOC), nil, nil
	default:
		return frames(media.AppendLegacy), nil, nil
	}
}

// frames encodes a packet by itself.
type frames func(dst []byte, f media.Frame) []byte

func (f frames) append(dst []byte, p *media.Packet) ([]byte, error) {
	pts := microseconds(p.PTS) * time.Microsecond
	return f(dst, media.Frame{PTS: pts, Duration: p.Duration, Key: p.Key, Payload: p.Payload}), nil
}

// fragments encodes each packet as a fragment of MP4.
type fragments struct {
	header   *cmaf.Header
	sequence uint32
	one      [1]media.Packet
}

// newFragments returns the encoder of a track in CMAF, and its init.
func newFragments(track media.Track) (*fragments, []byte, error) {
	init, err := cmaf.Init(track, timescale)
	if err != nil {
		return nil, nil, err
	}
	header, err := cmaf.ParseInit(init)
	if err != nil {
		return nil, nil, err
	}
	return &fragments{header: header}, init, nil
}

func (f *fragments) append(dst []byte, p *media.Packet) ([]byte, error) {
	f.sequence++
	f.one[0] = *p
	f.one[0].DTS = max(p.DTS, 0) // before the beginning there is no decoding time
	return cmaf.AppendFragment(dst, f.sequence, f.header, f.one[:])
}
