package codec

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// An Order tells in which order the pictures of a stream are shown, by their
// picture order counts (H.264, section 8.2.1; H.265, section 8.3.1).
//
// Of AVC it knows type 0, by which all encoders reorder pictures. Those of other
// types, and after memory_management_control_operation 5, are shown in the order
// in which they are decoded.
type Order struct {
	Codec NAL

	avc    map[uint32]h264.SPS // by ID
	hevc   map[uint32]h265.SPS
	pps    map[uint32]orderPPS
	begun  bool
	lsb    int32 // of the last picture that counts
	msb    int32
	before int64 // count of the last picture
}

// orderPPS is what is wanted of a picture parameter set.
type orderPPS struct {
	sps    uint32
	output bool // pic_output_flag is in slices (HEVC)
	extra  int  // bits of slice headers that are reserved (HEVC)
}

// A Place is where a picture stands.
type Place struct {
	Count int64 // its picture order count since the last reset
	Reset bool  // all pictures before it are shown before it
	Field int   // 0: a frame; 1: a top field; 2: a bottom field
	Frame uint32
}

// Add takes the parameter sets that have come.
func (o *Order) Add(p ParameterSets) {
	for _, unit := range p.PPS {
		o.addPPS(unit)
	}
	for _, unit := range p.SPS {
		o.addSPS(unit)
	}
}

func (o *Order) addSPS(unit []byte) {
	if o.Codec == AVC {
		var sps h264.SPS
		if guarded("SPS", func() error { return sps.Unmarshal(unit) }) == nil && sps.ID < maxSets {
			set(&o.avc, sps.ID, sps)
		}
		return
	}
	var sps h265.SPS
	err := guarded("SPS", func() error { return sps.Unmarshal(unit) })
	if (err == nil || len(sps.MaxNumReorderPics) > 0) && sps.ID < maxSets {
		set(&o.hevc, uint32(sps.ID), sps)
	}
}

func set[V any](m *map[uint32]V, id uint32, v V) {
	if *m == nil {
		*m = map[uint32]V{}
	}
	(*m)[id] = v
}

func (o *Order) addPPS(unit []byte) {
	var buf [24]byte
	r := bitReader{b: unescape(buf[:0], unit, len(buf))}
	if r.read(8); o.Codec == HEVC {
		r.read(8)
	}
	id := r.golomb()
	p := orderPPS{sps: r.golomb()}
	if o.Codec == HEVC {
		r.read(1)
		p.output, p.extra = r.flag(), int(r.read(3))
	}
	if !r.short && id < 256 {
		set(&o.pps, id, p)
	}
}

// Place reads the header of the first slice of a picture, in decoding order.
// Where it cannot be read, the picture stands behind the one before.
func (o *Order) Place(slice []byte) Place {
	var buf [48]byte
	r := &bitReader{b: unescape(buf[:0], slice, len(buf))}
	var p Place
	var ok bool
	if o.Codec == AVC {
		p, ok = o.placeAVC(r, slice[0])
	} else {
		p, ok = o.placeHEVC(r)
	}
	if !ok || r.short {
		p = Place{Count: o.before + 2, Reset: o.Codec.Key(slice)}
	}
	o.before = p.Count
	return p
}

func (o *Order) placeAVC(r *bitReader, header byte) (p Place, ok bool) {
	idr, reference := header&0x1f == avcIDR, header&0x60 != 0
	r.read(8)
	r.golomb() // first_mb_in_slice
	r.golomb() // slice_type
	pps, ok := o.pps[r.golomb()]
	sps, known := o.avc[pps.sps]
	if !ok || !known || sps.Log2MaxFrameNumMinus4 > 12 || sps.Log2MaxPicOrderCntLsbMinus4 > 12 {
		return p, false
	}
	if sps.SeparateColourPlaneFlag {
		r.read(2)
	}
	p.Frame = r.read(int(sps.Log2MaxFrameNumMinus4) + 4)
	if !sps.FrameMbsOnlyFlag && r.flag() {
		p.Field = 1 + int(r.read(1))
	}
	if idr {
		r.golomb() // idr_pic_id
		p.Reset = true
	}
	if sps.PicOrderCntType != 0 {
		p.Count = o.before + 2
		return p, true
	}
	bits := int(sps.Log2MaxPicOrderCntLsbMinus4) + 4
	lsb := int32(r.read(bits))
	if r.short {
		return p, false
	}
	p.Count = o.count(lsb, bits, idr, reference)
	return p, true
}

func (o *Order) placeHEVC(r *bitReader) (p Place, ok bool) {
	kind, layer := int(r.read(16)>>9&0x3f), 0
	temporal := int(r.b[min(1, len(r.b)-1)] & 7)
	if len(r.b) > 1 {
		layer = int(r.b[0]&1)<<5 | int(r.b[1]>>3)
	}
	r.read(1) // first_slice_segment_in_pic_flag
	random := kind >= hevcLeast && kind <= hevcMost
	if random {
		r.read(1)
	}
	pps, ok := o.pps[r.golomb()]
	sps, known := o.hevc[pps.sps]
	if !ok || !known || layer != 0 || sps.Log2MaxPicOrderCntLsbMinus4 > 12 {
		return p, false
	}
	r.read(pps.extra)
	r.golomb() // slice_type
	if pps.output {
		r.read(1)
	}
	if sps.SeparateColourPlaneFlag {
		r.read(2)
	}
	const idrWithLeading, idrAlone, cra = 19, 20, 21
	p.Reset = random && (kind != cra || !o.begun)
	bits := int(sps.Log2MaxPicOrderCntLsbMinus4) + 4
	lsb := int32(0)
	if kind != idrWithLeading && kind != idrAlone {
		lsb = int32(r.read(bits))
	}
	if r.short {
		return p, false
	}
	const firstRandom, leading, lastLeading = 16, 6, 9
	counts := temporal == 1 && (kind >= firstRandom || kind&1 == 1) && (kind < leading || kind > lastLeading)
	p.Count = o.count(lsb, bits, p.Reset, counts)
	return p, true
}

// count completes a picture order count of which only the lower bits are told.
// counts: later ones refer to it.
func (o *Order) count(lsb int32, bits int, reset, counts bool) int64 {
	msb, size := o.msb, int32(1)<<bits
	switch {
	case reset || !o.begun:
		msb = 0
	case lsb < o.lsb && o.lsb-lsb >= size/2:
		msb += size
	case lsb > o.lsb && lsb-o.lsb > size/2:
		msb -= size
	}
	if o.begun = true; counts || reset {
		o.msb, o.lsb = msb, lsb
	}
	return int64(msb) + int64(lsb)
}
