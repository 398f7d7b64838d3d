package cmaf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/moqlite/moqlite/api/media"
)

// Flags of the samples that are written: depends on no other, and is no sync
// sample that depends on others.
const (
	writeKey   = 0x02000000
	writeDelta = 0x01010000
)

// Sizes of the boxes that are written.
const (
	moofSize = 8 + 16 + 8 + 16 + 20 + 20 // and what the run has of each sample
	mdatHead = 8
)

// AppendFragment appends one moof and its mdat with the samples, of which there
// is at least one, in decoding order. Their Track is not looked at, nor their
// Config. A sample lasts until the next one is decoded; the last one as long as
// its Duration says, and as the one before if that is 0.
func AppendFragment(dst []byte, seq uint32, h *Header, samples []media.Packet) ([]byte, error) {
	dst, err := AppendMoof(dst, seq, h, samples)
	if err != nil {
		return dst, err
	}
	for i := range samples {
		dst = append(dst, samples[i].Payload...)
	}
	return dst, nil
}

// AppendMoof is AppendFragment without the payloads, which are to follow. On an
// error it appends nothing.
func AppendMoof(dst []byte, seq uint32, h *Header, samples []media.Packet) ([]byte, error) {
	if len(samples) == 0 {
		return dst, errors.New("cmaf: a fragment without samples")
	}
	start := len(dst)
	begin := ToTicks(samples[0].DTS, h.Timescale) - h.Shift
	if begin < 0 {
		return dst, fmt.Errorf("cmaf: a fragment of track %d begins %v before time 0, from which MP4 counts", h.Track.ID, -samples[0].DTS)
	}
	composed := false
	for i := range samples {
		composed = composed || samples[i].PTS != samples[i].DTS
	}
	flags, width := uint32(runOffset|runDuration|runSize|runFlags), 12
	if composed {
		flags, width = flags|runComposition, 16
	}
	size := moofSize + width*len(samples)

	be := binary.BigEndian
	dst = append(be.AppendUint32(dst, uint32(size)), "moof"...)
	dst = append(be.AppendUint32(dst, 16), "mfhd"...)
	dst = be.AppendUint32(be.AppendUint32(dst, 0), seq)
	dst = append(be.AppendUint32(dst, uint32(size-24)), "traf"...)
	dst = append(be.AppendUint32(dst, 16), "tfhd"...)
	dst = be.AppendUint32(be.AppendUint32(dst, headBaseIsMoof), h.TrackID)
	dst = append(be.AppendUint32(dst, 20), "tfdt"...)
	dst = be.AppendUint64(be.AppendUint32(dst, 1<<24), uint64(begin))
	dst = append(be.AppendUint32(dst, uint32(20+width*len(samples))), "trun"...)
	dst = be.AppendUint32(be.AppendUint32(dst, 1<<24|flags), uint32(len(samples)))
	dst = be.AppendUint32(dst, uint32(size+mdatHead))
	dst, bytes, err := appendRun(dst, h, samples, composed)
	if err == nil && bytes > math.MaxInt32-mdatHead {
		err = fmt.Errorf("cmaf: a fragment of track %d of %d bytes", h.Track.ID, bytes)
	}
	if err != nil {
		return dst[:start], err
	}
	return append(be.AppendUint32(dst, uint32(mdatHead+bytes)), "mdat"...), nil
}

// appendRun appends the samples of a run, and returns how long their data is.
func appendRun(dst []byte, h *Header, samples []media.Packet, composed bool) (_ []byte, bytes int, err error) {
	dts := ToTicks(samples[0].DTS, h.Timescale)
	last := int64(0)
	for i := range samples {
		p := &samples[i]
		var next int64
		switch {
		case i+1 < len(samples):
			next = ToTicks(samples[i+1].DTS, h.Timescale)
		case p.Duration > 0:
			next = ToTicks(p.DTS+p.Duration, h.Timescale)
		default:
			next = dts + last
		}
		offset := ToTicks(p.PTS, h.Timescale) - dts
		last = next - dts
		if err := checkSample(h, p, last, offset); err != nil {
			return dst, 0, err
		}
		flags := uint32(writeKey)
		if !p.Key && h.Track.Audio == nil {
			flags = writeDelta
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(last))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p.Payload)))
		dst = binary.BigEndian.AppendUint32(dst, flags)
		if composed {
			dst = binary.BigEndian.AppendUint32(dst, uint32(int32(offset)))
		}
		bytes += len(p.Payload)
		dts = next
	}
	return dst, bytes, nil
}

// checkSample says why a sample cannot be written.
func checkSample(h *Header, p *media.Packet, duration, offset int64) error {
	switch {
	case len(p.Payload) == 0:
		return fmt.Errorf("cmaf: a packet of track %d without a payload, at %v", h.Track.ID, p.PTS)
	case duration < 0:
		return fmt.Errorf("cmaf: the decoding times of track %d go backwards after %v", h.Track.ID, p.DTS)
	case duration > math.MaxUint32:
		return fmt.Errorf("cmaf: a packet of track %d at %v would last too long, until the next", h.Track.ID, p.DTS)
	case offset < math.MinInt32 || offset > math.MaxInt32:
		return fmt.Errorf("cmaf: a packet of track %d is decoded at %v and shown at %v", h.Track.ID, p.DTS, p.PTS)
	}
	return nil
}
