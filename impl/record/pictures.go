package record

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// pictures turns the payloads of a rendition of pictures into those of a file.
type pictures struct {
	rendition media.VideoRendition // as it is recorded
	family    string
	isNAL     bool // AVC or HEVC
	nal       codec.NAL
	annexB    bool // the parameter sets are in the frames
	length    int  // bytes of the length before each NAL unit
	sets      codec.ParameterSets
	depth     int    // how many pictures are reordered
	config    []byte // the description that holds
	changed   bool   // it holds from the next key frame on
}

func newPictures(r *rendition, c *container) *pictures {
	p := &pictures{rendition: *r.video, family: r.family()}
	p.rendition.Container, p.rendition.Broadcast = media.Container{}, ""
	if c.header != nil && c.header.Track.Video != nil {
		in := c.header.Track.Video
		if p.rendition.Description == nil {
			p.rendition.Description = in.Description
		}
		if p.rendition.CodedSize == (media.Size{}) {
			p.rendition.CodedSize, p.rendition.DisplayAspect = in.CodedSize, in.DisplayAspect
		}
	}
	switch p.family {
	case "avc1":
		p.isNAL = true
	case "hvc1":
		p.isNAL, p.nal = true, codec.HEVC
	}
	p.annexB = p.isNAL && len(p.rendition.Description) == 0
	if p.annexB {
		p.rendition.Description = nil
		p.rendition.Codec = p.entry() + p.rendition.Codec[min(4, len(p.rendition.Codec)):]
		return p
	}
	p.configure(p.rendition.Description)
	return p
}

// entry is the sample entry of what has a description.
func (p *pictures) entry() string {
	if p.nal == codec.HEVC {
		return "hvc1"
	}
	return "avc1"
}

// configure sets the description of what comes from the next key frame on.
func (p *pictures) configure(description []byte) {
	p.config, p.changed = description, description != nil
	if !p.isNAL {
		return
	}
	c, err := p.nal.ParseConfiguration(description)
	if p.length = 4; err == nil {
		p.length = c.LengthSize
	}
	if err == nil && len(c.SPS) > 0 {
		p.read(c.SPS[0], false)
	}
}

// read takes from a sequence parameter set what it tells.
func (p *pictures) read(sps []byte, rename bool) {
	v, err := p.nal.ParseSPS(sps)
	if err != nil {
		return
	}
	p.depth = v.Reorder
	if rename || p.rendition.CodedSize == (media.Size{}) {
		p.rendition.CodedSize, p.rendition.DisplayAspect = v.Size, v.Aspect
	}
	if rename {
		p.rendition.Codec = v.Codec(p.entry())
	}
}

// convert appends the payload as it is in a file, and says whether decoding can
// begin at it. first says that it opens a group.
func (p *pictures) convert(dst []byte, payload []byte, first bool) (_ []byte, key bool, err error) {
	if !p.annexB {
		return append(dst, payload...), p.isKey(payload, first), nil
	}
	if len(payload) > 0 && !startsWithCode(payload) {
		return dst, false, fmt.Errorf("a frame of %s without a description, which is not in the form of annex B: %x", p.rendition.Codec, payload[:min(8, len(payload))])
	}
	key = p.isKey(payload, first)
	if err := p.gather(payload, key); err != nil {
		return dst, false, err
	}
	return p.nal.AppendSample(dst, payload), key, nil
}

func startsWithCode(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0, 0, 1}) || bytes.HasPrefix(b, []byte{0, 0, 0, 1})
}

// isKey reports whether decoding can begin at a frame: the first of a group says
// that it can, and the codec mostly whether that is true.
func (p *pictures) isKey(payload []byte, first bool) bool {
	if !first {
		return false
	}
	switch p.family {
	case "avc1", "hvc1":
		return p.isKeyUnit(payload)
	case "vp8":
		return codec.VP8Key(payload)
	case "vp09":
		return codec.VP9Key(payload)
	case "av01":
		return codec.AV1Key(payload)
	}
	return true
}

// isKeyUnit looks at the NAL units before the end of the first slice.
func (p *pictures) isKeyUnit(payload []byte) bool {
	recovery := false
	look := func(unit []byte) (key, more bool) {
		recovery = recovery || p.nal.RecoveryPoint(unit)
		return p.nal.Key(unit), !p.nal.Slice(unit)
	}
	if p.annexB {
		for unit := range codec.AnnexB(payload) {
			if key, more := look(unit); !more {
				return key || recovery
			}
		}
		return false
	}
	for unit, err := range codec.LengthPrefixed(payload, p.length) {
		if err != nil {
			return true
		}
		if key, more := look(unit); !more {
			return key || recovery
		}
	}
	return true
}

// gather keeps the parameter sets of a frame: those of a key frame replace what
// was there, as far as they are complete.
func (p *pictures) gather(payload []byte, key bool) error {
	found := codec.ParameterSets{}
	for unit := range codec.AnnexB(payload) {
		if p.nal.ParameterSet(unit) {
			found.Add(p.nal, unit)
		} else if p.nal.Slice(unit) {
			break // they come before
		}
	}
	if len(found.SPS)+len(found.PPS)+len(found.VPS) == 0 {
		return nil
	}
	if !key || !found.Complete(p.nal) {
		found = merge(p.nal, p.sets, found)
	}
	if same(found.VPS, p.sets.VPS) && same(found.SPS, p.sets.SPS) && same(found.PPS, p.sets.PPS) {
		return nil
	}
	p.sets = found
	if !found.Complete(p.nal) {
		return nil
	}
	config, err := p.nal.Configuration(found)
	if err != nil {
		return err
	}
	if !bytes.Equal(config, p.config) {
		p.config, p.changed = config, true
		p.rendition.Description = config
		p.read(found.SPS[0], true)
	}
	return nil
}

// merge returns the sets of a, then those of b.
func merge(c codec.NAL, a, b codec.ParameterSets) (both codec.ParameterSets) {
	for _, sets := range []codec.ParameterSets{a, b} {
		for _, unit := range slices.Concat(sets.VPS, sets.SPS, sets.PPS) {
			both.Add(c, unit)
		}
	}
	return both
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// takeConfig returns the description that holds from here on, if it has changed.
func (p *pictures) takeConfig() []byte {
	if !p.changed {
		return nil
	}
	p.changed = false
	return p.config
}

// measure takes the size from a key frame where the catalog has none.
func (p *pictures) measure(payload []byte) {
	if p.rendition.CodedSize != (media.Size{}) {
		return
	}
	var v codec.Video
	var err error
	switch p.family {
	case "vp8":
		v.Size, err = codec.ParseVP8(payload)
	case "vp09":
		v, err = codec.ParseVP9(payload, p.rendition.Framerate)
	case "av01":
		v, err = codec.ParseAV1(payload)
	default:
		return
	}
	if err == nil {
		p.rendition.CodedSize = v.Size
	}
}
