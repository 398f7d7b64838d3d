package cmaf

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// Samples goes through the samples of one traf, in decoding order.
type Samples struct {
	header *Header
	set    uint32 // which defaults the tfhd says, as flags of it
	defaults

	mdat   []byte
	mdatAt int64
	origin int64 // from where the runs count their offsets
	pos    int64 // where the next sample lies

	dts   int64  // of the next sample
	boxes []byte // of the traf, behind the run that is being read
	run   run
}

// Flags of a tfhd box, and of samples.
const (
	headBase        = 0x1
	headDescription = 0x2
	headDuration    = 0x8
	headSize        = 0x10
	headFlags       = 0x20
	headBaseIsMoof  = 0x20000

	sampleNonSync = 0x10000
)

// parseHead reads the tfhd and the tfdt of a traf, and returns the track's ID.
// s.origin is where the data of the traf before it ends.
func (s *Samples) parseHead(traf []byte, f *Fragment) (trackID uint32, err error) {
	s.boxes = traf
	tfhd, err := need(traf, "tfhd", "traf")
	if err != nil {
		return 0, err
	}
	r := fields{b: tfhd}
	s.set = r.uint32()
	trackID = r.uint32()
	switch {
	case s.set&headBase != 0:
		if s.origin = r.uint64(); f.CutOut {
			s.origin = f.MoofAt
		}
	case s.set&headBaseIsMoof != 0:
		s.origin = f.MoofAt
	}
	if s.set&headDescription != 0 {
		s.description = r.uint32()
	}
	if s.set&headDuration != 0 {
		s.duration = r.uint32()
	}
	if s.set&headSize != 0 {
		s.size = r.uint32()
	}
	if s.set&headFlags != 0 {
		s.flags = r.uint32()
	}
	if s.pos = s.origin; s.pos == f.MoofAt {
		s.pos = f.MdatAt // what a run without an offset means
	}
	if r.short {
		return 0, malformed("a tfhd of %d bytes", len(tfhd))
	}
	return trackID, s.parseTime(traf)
}

// parseTime reads the tfdt of a traf.
func (s *Samples) parseTime(traf []byte) error {
	tfdt, err := need(traf, "tfdt", "traf")
	if err != nil {
		return err
	}
	r := fields{b: tfdt}
	if r.uint32()>>24 == 0 {
		s.dts = int64(r.uint32())
	} else {
		s.dts = r.uint64()
	}
	if r.short {
		return malformed("a tfdt of %x", tfdt)
	}
	return nil
}

// inherit takes the defaults of the trex where the tfhd has none.
func (s *Samples) inherit(d defaults) {
	if s.set&headDescription == 0 {
		s.description = d.description
	}
	if s.set&headDuration == 0 {
		s.duration = d.duration
	}
	if s.set&headSize == 0 {
		s.size = d.size
	}
	if s.set&headFlags == 0 {
		s.flags = d.flags
	}
}

// measure checks the runs and returns where the last one's data ends.
func (s *Samples) measure() (end int64, err error) {
	at := *s
	for {
		ok, err := at.nextRun()
		if err != nil || !ok {
			return at.pos, err
		}
		n := at.run.bytes(at.size)
		if n > limit || at.pos > limit {
			return 0, malformed("samples of %d bytes at %d", n, at.pos)
		}
		at.pos += int64(n)
	}
}

// nextRun goes to the next run.
func (s *Samples) nextRun() (ok bool, err error) {
	body, rest, err := nextNamed(s.boxes, "trun")
	if err != nil || body == nil {
		return false, err
	}
	s.boxes = rest
	offset, relative, err := s.run.parse(body)
	if err != nil {
		return false, err
	}
	if relative {
		s.pos = s.origin + int64(offset)
	}
	return true, nil
}

// Time returns when the next sample is decoded.
func (s *Samples) Time() time.Duration {
	t, _ := ToDuration(s.dts+s.header.Shift, s.header.Timescale)
	return t
}

// Next sets p to the next sample, and reports whether there was one. The payload
// aliases the fragment. Samples without data are passed over. The error of a
// sample that is not there as a whole is [io.ErrUnexpectedEOF].
func (s *Samples) Next(p *media.Packet) (ok bool, err error) {
	for {
		for s.run.left == 0 {
			if ok, err := s.nextRun(); err != nil || !ok {
				return false, err
			}
			if s.run.width == 0 && s.size == 0 { // not one by one: there may be billions
				s.dts += int64(min(uint64(s.run.left)*uint64(s.duration), limit))
				s.run.left = 0
			}
		}
		duration, size, flags, offset := s.run.next(s.defaults)
		dts := s.dts
		if s.dts += int64(duration); s.dts > 2*limit {
			return false, malformed("a decoding time of %d", dts)
		}
		if size == 0 {
			continue
		}
		from := s.pos - s.mdatAt
		if from < 0 {
			return false, malformed("a sample at %d, before the mdat at %d", s.pos, s.mdatAt)
		}
		s.pos += int64(size)
		if from+int64(size) > int64(len(s.mdat)) {
			return false, io.ErrUnexpectedEOF
		}
		p.Payload = s.mdat[from : from+int64(size) : from+int64(size)]
		return true, s.setTimes(p, dts, duration, flags, offset)
	}
}

// setTimes sets what is not the payload.
func (s *Samples) setTimes(p *media.Packet, dts int64, duration, flags uint32, offset int32) error {
	h := s.header
	dts += h.Shift
	begin, ok1 := ToDuration(dts, h.Timescale)
	end, ok2 := ToDuration(dts+int64(duration), h.Timescale)
	shown, ok3 := ToDuration(dts+int64(offset), h.Timescale)
	if !ok1 || !ok2 || !ok3 {
		return malformed("a decoding time of %d at %d a second", dts, h.Timescale)
	}
	p.Track, p.Config = h.Track.ID, nil
	p.DTS, p.PTS, p.Duration = begin, shown, end-begin
	p.Key = h.Track.Video == nil || flags&sampleNonSync == 0
	return nil
}

// A run is a trun box that is being read.
type run struct {
	flags   uint32
	first   uint32 // flags of the first sample, if first_sample_flags is there
	isFirst bool   // the next sample is the first
	left    uint32 // samples
	width   int    // bytes that the box has of a sample
	samples []byte
}

// Flags of a trun box.
const (
	runOffset      = 0x1
	runFirstFlags  = 0x4
	runDuration    = 0x100
	runSize        = 0x200
	runFlags       = 0x400
	runComposition = 0x800
)

// parse reads the body of a trun box up to its samples.
func (r *run) parse(body []byte) (offset int32, relative bool, err error) {
	f := fields{b: body}
	*r = run{flags: f.uint32(), left: f.uint32(), isFirst: true}
	if relative = r.flags&runOffset != 0; relative {
		offset = int32(f.uint32())
	}
	if r.flags&runFirstFlags != 0 {
		r.first = f.uint32()
	}
	for _, flag := range []uint32{runDuration, runSize, runFlags, runComposition} {
		if r.flags&flag != 0 {
			r.width += 4
		}
	}
	r.samples = f.b
	if f.short || uint64(r.left)*uint64(r.width) > uint64(len(r.samples)) {
		return 0, false, malformed("a trun of %d bytes with %d samples", len(body), r.left)
	}
	return offset, relative, nil
}

// bytes returns the size of the data of all samples.
func (r *run) bytes(size uint32) (n uint64) {
	if r.flags&runSize == 0 {
		return uint64(r.left) * uint64(size)
	}
	at := 0
	if r.flags&runDuration != 0 {
		at = 4
	}
	for range r.left {
		n += uint64(binary.BigEndian.Uint32(r.samples[at:]))
		at += r.width
	}
	return n
}

// next reads a sample. Composition offsets are signed in version 0 as well:
// writers that say they are not write negative ones.
func (r *run) next(d defaults) (duration, size, flags uint32, offset int32) {
	f := fields{b: r.samples}
	duration, size, flags = d.duration, d.size, d.flags
	if r.isFirst && r.flags&runFirstFlags != 0 {
		flags = r.first
	}
	if r.flags&runDuration != 0 {
		duration = f.uint32()
	}
	if r.flags&runSize != 0 {
		size = f.uint32()
	}
	if r.flags&runFlags != 0 {
		flags = f.uint32()
	}
	if r.flags&runComposition != 0 {
		offset = int32(f.uint32())
	}
	r.samples, r.isFirst = f.b, false
	r.left--
	return duration, size, flags, offset
}

// fields reads big-endian numbers, and zeros at the end.
type fields struct {
	b     []byte
	short bool // a number was behind the end, or out of range
}

func (f *fields) uint32() uint32 {
	if len(f.b) < 4 {
		f.b, f.short = nil, true
		return 0
	}
	v := binary.BigEndian.Uint32(f.b)
	f.b = f.b[4:]
	return v
}

// limit is above every position and every time that is real, and far enough
// from the end of int64 that sums of them stay below.
const limit = 1 << 60

// uint64 reads a number that has to be below the limit.
func (f *fields) uint64() int64 {
	v := uint64(f.uint32())<<32 | uint64(f.uint32())
	if v > limit {
		f.short = true
		return 0
	}
	return int64(v)
}
