package mpegts

import (
	"math"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// pictures makes a packet of each access unit of H.264 or H.265, from the first
// key frame on. The payload is as it came, with its delimiters; parameter sets
// are put before a key frame that has none.
type pictures struct {
	codec.AccessUnits
	ready pes    // the access unit that is to be taken; without data: none is
	spare []byte // a buffer for the next one

	started bool // with a key frame
	stale   bool // a key frame was lost: what follows refers to what is not there

	last, step int64 // decoding time of the last picture, and from one to the next
	timed      bool  // last is known
	skipped    uint64
	lost       uint64
}

func newPictures(k kind) *pictures {
	v := &pictures{}
	if k == hevc {
		v.Codec = codec.HEVC
	}
	return v
}

func (v *pictures) dropped() uint64 { return v.lost }

func (*pictures) lose() {}

func (v *pictures) beginsPicture(b []byte) bool {
	for unit := range codec.AnnexB(b) {
		return v.Codec.Leads(unit) || v.Codec.FirstSlice(unit)
	}
	return false
}

func (v *pictures) take(p pes) []byte {
	spare := v.spare
	v.ready, v.spare = p, p.data
	return spare
}

func (v *pictures) next(p *media.Packet) bool {
	unit := v.ready
	v.ready.data = nil
	data := codec.FromStartCode(unit.data)
	if len(data) == 0 {
		return false
	}
	if unit.broken { // and so may be its parameter sets
		v.lost++
		v.stale = v.stale || v.Codec.KeyFrame(data)
		return false
	}
	seen := v.Look(data)
	switch {
	case seen.Slice == nil || seen.Orphan:
		return false
	case seen.Key && v.Ready() && v.time(&unit):
		v.started, v.stale = true, false
	case !v.started:
		v.skipped++
		return false
	case v.stale || seen.Key || !v.time(&unit):
		v.lost++
		v.stale = v.stale || seen.Key
		return false
	}
	p.PTS, p.DTS, p.Duration = toDuration(unit.pts), toDuration(unit.dts), toDuration(v.step)
	p.Key, p.Config, p.Payload = seen.Key, nil, v.Append(p.Payload[:0], data, seen)
	return true
}

// time completes the times of an access unit, and sets step.
func (v *pictures) time(unit *pes) bool {
	if unit.dts == unstated {
		if !v.timed {
			return false
		}
		unit.dts = v.last + v.step
		unit.pts = unit.dts
	}
	switch {
	case unit.until > 0:
		v.step = unit.until
	case v.step == 0 && v.Video.Framerate > 0:
		v.step = int64(math.Round(ticks / v.Video.Framerate))
	}
	v.last, v.timed = unit.dts, true
	return true
}

func (v *pictures) describe(t *media.Track) bool {
	if !v.started {
		return false
	}
	t.Video = &media.VideoRendition{}
	if v.Codec == codec.AVC {
		v.Video.Describe(t.Video, "avc3")
	} else {
		v.Video.Describe(t.Video, "hev1")
	}
	return true
}
