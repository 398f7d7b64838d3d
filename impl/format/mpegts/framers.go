package mpegts

import (
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// A frame is a frame of sound.
type frame struct {
	codec    string // "": of aac
	rate     int
	channels int // 0: not told
	samples  int
	aac      codec.AAC // of AAC

	from, to int // where its packet lies in it
	size     int
}

// string is the codec string.
func (f frame) string() string {
	if f.codec == "" {
		return f.aac.Codec()
	}
	return f.codec
}

// A framer knows how frames of a kind of sound begin.
type framer interface {
	// frame reads the header of the frame at the beginning of b. The error is
	// codec.ErrMore where that is not whole.
	frame(b []byte) (frame, error)

	// payload returns the packet of a whole frame, and completes f. false: it
	// cannot be read.
	payload(f *frame, b []byte) ([]byte, bool)

	// sync is the first byte of every frame.
	sync() byte

	// description is that of the track as f has it; nil: there is none.
	description(f frame) []byte
}

// plain frames are told by their headers alone.
type plain struct{}

func (plain) payload(f *frame, b []byte) ([]byte, bool) { return b[f.from:f.to], true }

func (plain) description(frame) []byte { return nil }

// headers finds frames whose header is part of the packet: MPEG audio and AC-3.
type headers struct {
	plain
	parse func([]byte) (codec.Sound, error)
	first byte
}

func (h headers) sync() byte { return h.first }

func (h headers) frame(b []byte) (frame, error) {
	sound, err := h.parse(b)
	switch {
	case err != nil:
		return frame{}, err
	case sound.Dependent: // on a frame that is missing
		return frame{}, codec.ErrNoFrame
	}
	size := sound.Size
	for size < len(b) {
		next, err := h.parse(b[size:])
		if err != nil || !next.Dependent {
			break
		}
		size += next.Size
	}
	return frame{
		codec: sound.Codec, rate: sound.Rate, channels: sound.Channels, samples: sound.Samples,
		to: size, size: size,
	}, nil
}

// adtsFrames finds frames of AAC, whose headers are taken off.
type adtsFrames struct{ plain }

func (adtsFrames) sync() byte { return 0xff }

func (adtsFrames) frame(b []byte) (frame, error) {
	a, err := codec.ParseADTS(b)
	if err != nil {
		return frame{}, err
	}
	return ofAAC(a.AAC, a.Header, a.Size), nil
}

func (adtsFrames) description(f frame) []byte { return configuration(f.aac) }

func ofAAC(a codec.AAC, from, size int) frame {
	return frame{
		rate: a.SampleRate(), channels: a.ChannelCount(), samples: a.Samples(), aac: a,
		from: from, to: size, size: size,
	}
}

func configuration(a codec.AAC) []byte {
	b, err := a.Config()
	if err != nil {
		return nil
	}
	return b
}

// latmFrames finds AAC in LOAS and LATM (ISO/IEC 14496-3, section 1.7). What is
// coded is known only when a frame has been read.
type latmFrames struct{ mux codec.LATM }

func (*latmFrames) sync() byte { return 0x56 }

func (l *latmFrames) frame(b []byte) (frame, error) {
	size, err := codec.ParseLOAS(b)
	if err != nil {
		return frame{}, err
	}
	return frame{size: size}, nil
}

func (l *latmFrames) payload(f *frame, b []byte) ([]byte, bool) {
	payload, aac, err := l.mux.Frame(b[codec.LOASHeader:])
	if err != nil {
		return nil, false
	}
	size := f.size
	*f = ofAAC(aac, 0, size)
	return payload, true
}

func (*latmFrames) description(f frame) []byte { return configuration(f.aac) }

// opusFrames finds packets of Opus behind their control headers (ETSI TS 103
// 491, section 4).
type opusFrames struct {
	plain
	head codec.OpusHead
}

// opusMappings are streams, coupled streams and mapping of the channels of
// Opus in the order of Vorbis (RFC 7845, section 5.1.1.2).
var opusMappings = [...][]byte{
	3: {2, 1, 0, 2, 1},
	4: {2, 2, 0, 1, 2, 3},
	5: {3, 2, 0, 4, 1, 2, 3},
	6: {4, 2, 0, 4, 1, 2, 3, 5},
	7: {4, 3, 0, 4, 1, 2, 3, 5, 6},
	8: {5, 3, 0, 6, 1, 2, 3, 4, 5, 7},
}

func newOpusFrames(channels int) *opusFrames {
	o := &opusFrames{head: codec.OpusHead{Channels: channels, Rate: codec.OpusRate}}
	if channels > 2 {
		o.head.Family, o.head.Mapping = 1, opusMappings[channels]
	}
	return o
}

func (*opusFrames) sync() byte { return 0x7f }

func (o *opusFrames) frame(b []byte) (frame, error) {
	if len(b) < 3 {
		return frame{}, codec.ErrMore
	}
	if b[0] != 0x7f || b[1]&0xe0 != 0xe0 {
		return frame{}, codec.ErrNoFrame
	}
	const startTrim, endTrim, extension = 0x10, 0x08, 0x04
	size, at := 0, 2
	for more := true; more; at++ {
		if at >= len(b) {
			return frame{}, codec.ErrMore
		}
		size += int(b[at])
		more = b[at] == 0xff
	}
	if b[1]&startTrim != 0 {
		at += 2
	}
	if b[1]&endTrim != 0 {
		at += 2
	}
	if b[1]&extension != 0 {
		if at >= len(b) {
			return frame{}, codec.ErrMore
		}
		at += 1 + int(b[at])
	}
	if len(b) < at+min(size, 2) {
		return frame{}, codec.ErrMore
	}
	samples := codec.OpusSamples(b[at:min(at+size, len(b))])
	if samples == 0 {
		return frame{}, codec.ErrNoFrame
	}
	return frame{
		codec: "opus", rate: codec.OpusRate, channels: o.head.Channels, samples: samples,
		from: at, to: at + size, size: at + size,
	}, nil
}

func (o *opusFrames) description(frame) []byte {
	b, err := o.head.Append(nil)
	if err != nil {
		return nil
	}
	return b
}
