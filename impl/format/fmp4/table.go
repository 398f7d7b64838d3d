package fmp4

import (
	"encoding/binary"
	"fmt"

	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// A table goes through the samples of a track as the boxes of its stbl tell of
// them (ISO/IEC 14496-12, sections 8.6 and 8.7). It reads them where they lie and
// builds nothing of them: a file of hours has millions.
type table struct {
	left  uint32 // samples
	index uint32 // of the next sample, from 1

	durations    spans // stts
	compositions spans // ctts
	dts          int64

	sizes sizes

	keys    []byte // stss; nil: all are
	allKeys bool

	chunks
	inChunk uint32 // samples left in the chunk
	offset  int64  // of the next sample
}

// A sample is where a sample lies, and when it is decoded.
type sample struct {
	offset      int64
	size        uint32
	dts         int64
	duration    uint32
	composition int32
	key         bool
}

func newTable(stbl []byte) (*table, error) {
	t := table{index: 1, allKeys: true}
	var seen struct{ sizes, chunks, offsets bool }
	for len(stbl) > 0 {
		x, rest, err := cmaf.NextBox(stbl)
		if err != nil {
			return nil, err
		}
		stbl = rest
		switch string(x.Name) {
		case "stts":
			t.durations.entries, err = entries(x, 8)
		case "ctts":
			t.compositions.entries, err = entries(x, 8)
		case "stss":
			t.allKeys = false
			t.keys, err = entries(x, 4)
		case "stsz", "stz2":
			seen.sizes = true
			t.left, err = t.sizes.parse(x)
		case "stsc":
			seen.chunks = true
			t.runs, err = entries(x, 12)
		case "stco":
			seen.offsets = true
			t.offsets, err = entries(x, 4)
			t.wide = 4
		case "co64":
			seen.offsets = true
			t.offsets, err = entries(x, 8)
			t.wide = 8
		}
		if err != nil {
			return nil, err
		}
	}
	if t.left > 0 && !(seen.sizes && seen.chunks && seen.offsets && t.durations.entries != nil) {
		return nil, fmt.Errorf("%w: an stbl without the tables of its samples", cmaf.ErrMalformed)
	}
	return &t, nil
}

// entries returns the entries of a table, each of size bytes.
func entries(x cmaf.Box, size int) ([]byte, error) {
	if len(x.Body) >= 8 {
		n := uint64(binary.BigEndian.Uint32(x.Body[4:]))
		if b := x.Body[8:]; n*uint64(size) <= uint64(len(b)) {
			return b[:n*uint64(size)], nil
		}
	}
	return nil, fmt.Errorf("%w: a box %q of %d bytes has not the entries it tells of", cmaf.ErrMalformed, x.Name, len(x.Body))
}

// next returns the next sample. It reports false behind the last.
func (t *table) next() (s sample, ok bool, err error) {
	if t.left == 0 {
		return s, false, nil
	}
	for t.inChunk == 0 {
		if t.offset, t.inChunk, err = t.chunks.next(); err != nil {
			return s, false, err
		}
	}
	s = sample{offset: t.offset, size: t.sizes.next(), dts: t.dts,
		duration: t.durations.next(), composition: int32(t.compositions.next()), key: t.isKey()}
	t.offset += int64(s.size)
	t.dts += int64(s.duration)
	t.inChunk--
	t.left--
	t.index++
	return s, true, nil
}

// isKey reports whether the next sample is a key frame.
func (t *table) isKey() bool {
	for len(t.keys) > 0 {
		k := binary.BigEndian.Uint32(t.keys)
		if k > t.index {
			break
		}
		t.keys = t.keys[4:]
		if k == t.index {
			return true
		}
	}
	return t.allKeys
}

// spans is a table of values that each hold for a number of samples.
type spans struct {
	entries []byte
	left    uint32 // samples for which value holds
	value   uint32
}

// next returns the value of the next sample. The last value holds for those that
// the table has forgotten; that of none is 0.
func (s *spans) next() uint32 {
	for s.left == 0 && len(s.entries) > 0 {
		s.left, s.value = binary.BigEndian.Uint32(s.entries), binary.BigEndian.Uint32(s.entries[4:])
		s.entries = s.entries[8:]
	}
	if s.left > 0 {
		s.left--
	}
	return s.value
}

// sizes is the table of the sizes of samples, in one of its two forms.
type sizes struct {
	all     uint32 // of all samples; 0: entries has them
	bits    uint32 // of an entry
	entries []byte
	n       uint64 // entries that were read
}

func (s *sizes) parse(x cmaf.Box) (samples uint32, err error) {
	if len(x.Body) < 12 {
		return 0, fmt.Errorf("%w: a box %q of %d bytes", cmaf.ErrMalformed, x.Name, len(x.Body))
	}
	field, samples := binary.BigEndian.Uint32(x.Body[4:]), binary.BigEndian.Uint32(x.Body[8:])
	s.entries = x.Body[12:]
	switch {
	case string(x.Name) == "stsz":
		s.all, s.bits = field, 32
	case field&0xff == 4 || field&0xff == 8 || field&0xff == 16:
		s.bits = field & 0xff
	}
	if s.all == 0 && (s.bits == 0 || uint64(samples)*uint64(s.bits) > 8*uint64(len(s.entries))) {
		return 0, fmt.Errorf("%w: a box %q of %d bytes with %d samples", cmaf.ErrMalformed, x.Name, len(x.Body), samples)
	}
	return samples, nil
}

func (s *sizes) next() (size uint32) {
	if s.all != 0 {
		return s.all
	}
	n := s.n
	s.n++
	switch s.bits {
	case 4:
		return uint32(s.entries[n/2]>>(4*(1-n%2))) & 15
	case 8:
		return uint32(s.entries[n])
	case 16:
		return uint32(binary.BigEndian.Uint16(s.entries[2*n:]))
	}
	return binary.BigEndian.Uint32(s.entries[4*n:])
}

// chunks goes through the chunks of a track: runs of samples that lie together.
type chunks struct {
	runs    []byte // stsc: from which chunk on how many samples are in each
	offsets []byte // stco or co64
	wide    int    // bytes of an offset

	index   uint32 // of the next chunk, from 1; 0 is 1
	samples uint32 // in each chunk of the run
}

func (c *chunks) next() (offset int64, samples uint32, err error) {
	c.index = max(c.index, 1)
	for len(c.runs) > 0 && binary.BigEndian.Uint32(c.runs) <= c.index {
		c.samples = binary.BigEndian.Uint32(c.runs[4:])
		if d := binary.BigEndian.Uint32(c.runs[8:]); d != 1 {
			return 0, 0, fmt.Errorf("chunk %d has the sample description %d; only the first of a track is read", c.index, d)
		}
		c.runs = c.runs[12:]
	}
	if len(c.offsets) == 0 {
		return 0, 0, fmt.Errorf("%w: more samples than its %d chunks hold", cmaf.ErrMalformed, c.index-1)
	}
	if c.wide == 4 {
		offset = int64(binary.BigEndian.Uint32(c.offsets))
	} else {
		offset = int64(binary.BigEndian.Uint64(c.offsets) & (1<<62 - 1))
	}
	c.offsets = c.offsets[c.wide:]
	c.index++
	return offset, c.samples, nil
}
