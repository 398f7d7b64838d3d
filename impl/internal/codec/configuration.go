package codec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// A Configuration is the content of an avcC or hvcC box (ISO/IEC 14496-15,
// sections 5.3.3 and 8.3.3): the description of a track whose samples have
// length-prefixed NAL units.
type Configuration struct {
	ParameterSets
	LengthSize int // bytes of the length before each NAL unit: 1, 2 or 4
}

var errNoSets = errors.New("codec: a description needs a sequence and a picture parameter set")

// Configuration returns the description of a track that begins with p, with
// lengths of four bytes.
func (c NAL) Configuration(p ParameterSets) ([]byte, error) {
	if !p.Complete(c) {
		return nil, errNoSets
	}
	for _, list := range [][][]byte{p.VPS, p.SPS, p.PPS} {
		for _, unit := range list {
			if len(unit) > 0xffff {
				return nil, fmt.Errorf("codec: a parameter set of %d bytes does not fit into a description", len(unit))
			}
		}
	}
	if len(p.SPS) > 31 || len(p.PPS) > 255 {
		return nil, errors.New("codec: more parameter sets than fit into a description")
	}
	if c == AVC {
		return avcConfiguration(p)
	}
	return hevcConfiguration(p)
}

func avcConfiguration(p ParameterSets) ([]byte, error) {
	sps := p.SPS[0]
	if len(sps) < 4 {
		return nil, errNoSets
	}
	b := append([]byte{1}, sps[1:4]...)
	b = append(b, 0xff, 0xe0|byte(len(p.SPS)))
	b = appendSets(b, p.SPS)
	b = append(b, byte(len(p.PPS)))
	b = appendSets(b, p.PPS)
	switch sps[1] {
	case 66, 77, 88:
		return b, nil
	}
	// All profiles but the first three tell the format of their pixels.
	var read h264.SPS
	if err := guarded("H.264 sequence parameter set", func() error { return read.Unmarshal(sps) }); err != nil {
		return nil, err
	}
	return append(b, 0xfc|byte(read.ChromaFormatIdc&3),
		0xf8|byte(read.BitDepthLumaMinus8&7), 0xf8|byte(read.BitDepthChromaMinus8&7), 0), nil
}

func hevcConfiguration(p ParameterSets) ([]byte, error) {
	tier, err := hevcProfile(p.SPS[0])
	if err != nil {
		return nil, err
	}
	var sps h265.SPS
	err = guarded("H.265 sequence parameter set", func() error { return sps.Unmarshal(p.SPS[0]) })
	if err != nil && sps.PicHeightInLumaSamples == 0 {
		return nil, err
	}
	b := append([]byte{1}, tier[:]...)
	b = append(b, 0xf0, 0, 0xfc, // nothing is told of segmentation and parallelism
		0xfc|byte(sps.ChromaFormatIdc&3), 0xf8|byte(sps.BitDepthLumaMinus8&7), 0xf8|byte(sps.BitDepthChromaMinus8&7),
		0, 0) // nor of the frame rate
	nested := byte(0)
	if sps.TemporalIDNestingFlag {
		nested = 1
	}
	b = append(b, (sps.MaxSubLayersMinus1+1)&7<<3|nested<<2|3, 3)
	const complete = 0x80
	for i, list := range [][][]byte{p.VPS, p.SPS, p.PPS} {
		b = append(b, complete|byte(hevcVPS+i))
		b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
		b = appendSets(b, list)
	}
	return b, nil
}

func appendSets(b []byte, sets [][]byte) []byte {
	for _, unit := range sets {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(unit))), unit...)
	}
	return b
}

// ParseConfiguration reads the content of an avcC or hvcC box. What it returns
// has parts of b.
func (c NAL) ParseConfiguration(b []byte) (Configuration, error) {
	r := byteReader{b: b}
	var parsed Configuration
	if version := r.byte(); version != 1 {
		return parsed, fmt.Errorf("codec: description of version %d: only version 1 is known", version)
	}
	if c == AVC {
		r.skip(3)
		parsed.LengthSize = int(r.byte()&3) + 1
		parsed.SPS = r.sets(int(r.byte() & 0x1f))
		parsed.PPS = r.sets(int(r.byte()))
	} else {
		r.skip(20)
		parsed.LengthSize = int(r.byte()&3) + 1
		for n := int(r.byte()); n > 0 && !r.short; n-- {
			kind := r.byte() & 0x3f
			list := r.sets(int(r.uint16()))
			switch kind {
			case hevcVPS:
				parsed.VPS = append(parsed.VPS, list...)
			case hevcSPS:
				parsed.SPS = append(parsed.SPS, list...)
			case hevcPPS:
				parsed.PPS = append(parsed.PPS, list...)
			}
		}
	}
	if r.short {
		return Configuration{}, fmt.Errorf("codec: %s description of %d bytes: %w", c, len(b), errShort)
	}
	if parsed.LengthSize == 3 {
		return Configuration{}, fmt.Errorf("codec: %s description with lengths of 3 bytes", c)
	}
	return parsed, nil
}

// byteReader reads from a record; beyond its end it reads zeros and remembers
// that in short.
type byteReader struct {
	b     []byte
	short bool
}

func (r *byteReader) skip(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *byteReader) byte() byte {
	if b := r.skip(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *byteReader) uint16() uint16 {
	if b := r.skip(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *byteReader) sets(n int) (sets [][]byte) {
	for ; n > 0 && !r.short; n-- {
		if unit := r.skip(int(r.uint16())); len(unit) > 0 {
			sets = append(sets, unit)
		}
	}
	return sets
}
