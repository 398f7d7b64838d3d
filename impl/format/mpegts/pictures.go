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
	codec codec.NAL
	ready pes    // the access unit that is to be taken; without data: none is
	spare []byte // a buffer for the next one

	sets  codec.ParameterSets
	video codec.Video
	known bool // video is

	started  bool // with a key frame
	stale    bool // a key frame was lost: what follows refers to what is not there
	idr      bool // there are IDR pictures
	recovery int  // recovery points, as long as there are no IDR pictures

	last, step int64 // decoding time of the last picture, and from one to the next
	timed      bool  // last is known
	skipped    uint64
	lost       uint64
}

func newPictures(k kind) *pictures {
	if k == hevc {
		return &pictures{codec: codec.HEVC}
	}
	return &pictures{codec: codec.AVC}
}

func (v *pictures) dropped() uint64 { return v.lost }

func (*pictures) lose() {}

func (v *pictures) beginsPicture(b []byte) bool {
	for unit := range codec.AnnexB(b) {
		return v.codec.Leads(unit) || v.codec.FirstSlice(unit)
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
	seen := v.look(data)
	switch {
	case unit.broken:
		v.lost++
		v.stale = v.stale || seen.key
		return false
	case !seen.slice:
		return false
	case seen.key && v.known && v.sets.Complete(v.codec):
		v.started, v.stale = true, false
	case v.stale:
		v.lost++
		return false
	}
	if !v.started {
		v.skipped++
		return false
	}
	if !v.time(&unit) {
		v.lost++
		return false
	}
	p.PTS, p.DTS, p.Duration = toDuration(unit.pts), toDuration(unit.dts), toDuration(v.step)
	p.Key, p.Config, p.Payload = seen.key, nil, p.Payload[:0]
	if seen.key && !seen.complete {
		p.Payload = v.insert(p.Payload, data)
	} else {
		p.Payload = append(p.Payload, data...)
	}
	return true
}

// seen is what an access unit has up to its first slice.
type seen struct{ slice, key, complete bool }

func (v *pictures) look(b []byte) (s seen) {
	var sps, pps, recovery, changed bool
	for unit := range codec.AnnexB(b) {
		if s.slice = v.codec.Slice(unit); s.slice {
			s.key = v.codec.Key(unit)
			break
		}
		sps, pps = sps || v.codec.SPS(unit), pps || v.codec.PPS(unit)
		recovery = recovery || v.codec.RecoveryPoint(unit)
		if v.codec.ParameterSet(unit) && !v.sets.Has(v.codec, unit) {
			changed = changed || v.codec.SPS(unit)
			v.sets.Add(v.codec, unit)
		}
	}
	if changed {
		v.learn(b)
	}
	v.idr = v.idr || s.key
	if recovery && s.slice && !v.idr {
		// Decoders of browsers begin at IDR pictures alone. A stream that has
		// none is better begun at its second recovery point than never.
		v.recovery++
		s.key = v.recovery >= 2
	}
	s.complete = sps && pps
	return s
}

// learn takes the parameter sets of an access unit with a new SPS.
func (v *pictures) learn(b []byte) {
	v.sets = v.codec.ParameterSets(b)
	if len(v.sets.SPS) == 0 {
		return
	}
	if video, err := v.codec.ParseSPS(v.sets.SPS[0]); err == nil {
		v.video, v.known = video, true
	}
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
	case v.step == 0 && v.video.Framerate > 0:
		v.step = int64(math.Round(ticks / v.video.Framerate))
	}
	v.last, v.timed = unit.dts, true
	return true
}

// insert appends the access unit with parameter sets, which stand behind its
// delimiter.
func (v *pictures) insert(dst, data []byte) []byte {
	inserted := false
	for unit := range codec.AnnexB(data) {
		if !inserted && !v.codec.Delimiter(unit) {
			inserted = true
			dst = v.sets.Append(dst)
		}
		if !v.codec.ParameterSet(unit) {
			dst = codec.AppendUnit(dst, unit)
		}
	}
	return dst
}

func (v *pictures) describe(t *media.Track) bool {
	if !v.started {
		return false
	}
	t.Video = &media.VideoRendition{}
	if v.codec == codec.AVC {
		v.video.Describe(t.Video, "avc3")
	} else {
		v.video.Describe(t.Video, "hev1")
	}
	return true
}
