package codec

import (
	"fmt"
	"strconv"
)

// Object types of MPEG-4 audio (ISO/IEC 14496-3, table 1.17).
const (
	objectMain, objectLC, objectScalable = 1, 2, 6
	objectSBR, objectPS                  = 5, 29
	objectERLC, objectERScalable         = 17, 20
	objectERBSAC, objectERLD, objectELD  = 22, 23, 39
	objectEscape                         = 31
)

// An AAC is an AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1), the
// description of AAC.
type AAC struct {
	Object        int // the audio object type of what is coded below SBR: 2 is AAC-LC
	SBR, PS       bool
	Rate          int  // samples a second of what is coded
	ExtensionRate int  // samples a second that SBR makes of it; 0: none
	Channels      int  // before PS; 0: told in the frames alone
	Short         bool // frames of 960 samples in place of 1024

	first int // the object type that comes first: what the codec string tells
}

var aacRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// Codec returns the codec string: "mp4a.40.2".
func (a AAC) Codec() string {
	object := a.first
	if object == 0 {
		object, _ = a.leading()
	}
	return "mp4a.40." + strconv.Itoa(object)
}

// leading is the object type that an explicit configuration begins with.
func (a AAC) leading() (object int, extended bool) {
	switch {
	case a.PS:
		return objectPS, true
	case a.SBR:
		return objectSBR, true
	}
	return a.Object, false
}

// SampleRate is how many samples a second a decoder gives.
func (a AAC) SampleRate() int {
	if a.SBR && a.ExtensionRate > 0 {
		return a.ExtensionRate
	}
	return a.Rate
}

// ChannelCount is how many channels a decoder gives; 0: not told.
func (a AAC) ChannelCount() int {
	if a.PS && a.Channels == 1 {
		return 2
	}
	return a.Channels
}

// Samples is how many samples a frame has, at SampleRate.
func (a AAC) Samples() int {
	n := 1024
	if a.Short {
		n = 960
	}
	if a.Object == objectERLD || a.Object == objectELD {
		n /= 2
	}
	if a.SBR && a.Rate > 0 && a.ExtensionRate == 2*a.Rate {
		n *= 2
	}
	return n
}

// ParseAAC reads an AudioSpecificConfig. What it does not know of the rarer
// object types is left out.
func ParseAAC(b []byte) (AAC, error) {
	r := &bitReader{b: b}
	a := AAC{Object: readObject(r)}
	a.first = a.Object
	a.Rate = readRate(r)
	channels := int(r.read(4))
	if a.Object == objectSBR || a.Object == objectPS {
		a.SBR, a.PS = true, a.Object == objectPS
		a.ExtensionRate = readRate(r)
		if a.Object = readObject(r); a.Object == objectERBSAC {
			r.read(4)
		}
	}
	a.Channels = aacChannels(channels)
	if r.short || a.Object == 0 || a.Rate <= 0 {
		return AAC{}, fmt.Errorf("codec: AudioSpecificConfig %x: it ends too early, or has no sample rate", b)
	}
	a.readSpecific(r, channels)
	if !a.SBR && !r.short {
		a.readExtension(r)
	}
	return a, nil
}

func readObject(r *bitReader) int {
	if object := int(r.read(5)); object != objectEscape {
		return object
	}
	return 32 + int(r.read(6))
}

func readRate(r *bitReader) int {
	const explicit = 15
	i := int(r.read(4))
	switch {
	case i == explicit:
		return int(r.read(24))
	case i < len(aacRates):
		return aacRates[i]
	}
	return 0
}

// aacChannels is how many channels a channel configuration has (ISO/IEC
// 14496-3, table 1.19, and its later values).
func aacChannels(configuration int) int {
	switch configuration {
	case 7, 12, 14:
		return 8
	case 11:
		return 7
	case 13:
		return 24
	}
	if configuration <= 6 {
		return configuration
	}
	return 0
}

// readSpecific reads what follows the channels: GASpecificConfig (ISO/IEC
// 14496-3, table 4.1), of which the length of frames is wanted.
func (a *AAC) readSpecific(r *bitReader, channels int) {
	switch {
	case a.Object == objectELD:
		a.Short = r.flag()
		r.pos = len(r.b) * 8
		return
	case a.Object > 7 && a.Object < objectERLC || a.Object > objectERLD || a.Object == objectSBR:
		r.pos = len(r.b) * 8
		return
	}
	a.Short = r.flag()
	if r.flag() { // dependsOnCoreCoder
		r.read(14)
	}
	extension := r.flag()
	if channels == 0 {
		a.Channels = readProgram(r)
	}
	if a.Object == objectScalable || a.Object == objectERScalable {
		r.read(3)
	}
	if extension {
		switch a.Object {
		case objectERBSAC:
			r.read(16)
		case objectERLC, 19, objectERScalable, objectERLD:
			r.read(3)
		}
		r.read(1)
	}
	if a.Object >= objectERLC {
		r.read(2) // epConfig
	}
}

// readProgram counts the channels of a program_config_element (ISO/IEC 14496-3,
// table 4.2).
func readProgram(r *bitReader) (channels int) {
	r.read(4 + 2 + 4)
	var elements [3]int // front, side, back
	for i := range elements {
		elements[i] = int(r.read(4))
	}
	lfe, data, coupling := int(r.read(2)), int(r.read(3)), int(r.read(4))
	for _, bits := range [...]int{4, 4, 3} { // mixdowns
		if r.flag() {
			r.read(bits)
		}
	}
	for _, n := range elements {
		for ; n > 0; n-- {
			channels++
			if r.flag() { // a pair
				channels++
			}
			r.read(4)
		}
	}
	r.read(4 * lfe)
	r.read(4 * data)
	for ; coupling > 0; coupling-- {
		r.read(5)
	}
	r.pos = min((r.pos+7)&^7, len(r.b)*8)
	for n := int(r.read(8)); n > 0; n-- {
		r.read(8)
	}
	return channels + lfe
}

// readExtension reads the SBR and PS that may be told behind the rest, for
// decoders that know neither ("backward compatible").
func (a *AAC) readExtension(r *bitReader) {
	const sbrFollows, psFollows = 0x2b7, 0x548
	if r.left() < 16 || r.read(11) != sbrFollows || readObject(r) != objectSBR || !r.flag() {
		return
	}
	a.SBR, a.ExtensionRate = true, readRate(r)
	if r.left() >= 12 && r.read(11) == psFollows {
		a.PS = r.flag()
	}
}

// Config returns a as an AudioSpecificConfig.
func (a AAC) Config() ([]byte, error) {
	configuration := a.Channels
	switch {
	case a.Channels == 8:
		configuration = 7
	case a.Channels < 1 || a.Channels > 6:
		return nil, fmt.Errorf("codec: AAC of %d channels: its configuration cannot be written", a.Channels)
	}
	if a.Rate <= 0 || a.Rate >= 1<<24 || a.ExtensionRate < 0 || a.ExtensionRate >= 1<<24 {
		return nil, fmt.Errorf("codec: AAC of %d samples a second: its configuration cannot be written", a.Rate)
	}
	switch a.Object {
	case objectMain, objectLC, 3, 4:
	default:
		return nil, fmt.Errorf("codec: AAC of object type %d: its configuration cannot be written", a.Object)
	}
	var w bitWriter
	object, extended := a.leading()
	w.write(uint32(object), 5)
	w.writeRate(a.Rate)
	w.write(uint32(configuration), 4)
	if extended {
		w.writeRate(a.SampleRate())
		w.write(uint32(a.Object), 5)
	}
	if a.Short {
		w.write(1, 1)
	} else {
		w.write(0, 1)
	}
	w.write(0, 2)
	return w.b, nil
}

func (w *bitWriter) writeRate(rate int) {
	for i, known := range aacRates {
		if known == rate {
			w.write(uint32(i), 4)
			return
		}
	}
	w.write(15, 4)
	w.write(uint32(rate), 24)
}
