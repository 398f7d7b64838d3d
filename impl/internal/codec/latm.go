package codec

import (
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// LOASHeader is the size of the header before each element of LOAS (ISO/IEC
// 14496-3, section 1.7.2).
const LOASHeader = 3

var errLATM = errors.New("codec: LATM of several programs, layers or frames an element, or without its configuration")

// ParseLOAS returns the size of the element at the beginning of b, with its
// header.
func ParseLOAS(b []byte) (int, error) {
	if len(b) < LOASHeader {
		return 0, ErrMore
	}
	if b[0] != 0x56 || b[1]&0xe0 != 0xe0 {
		return 0, ErrNoFrame
	}
	return LOASHeader + int(b[1]&0x1f)<<8 + int(b[2]), nil
}

// A LATM takes AAC out of its transport (ISO/IEC 14496-3, section 1.7.3). It
// remembers the configuration, which comes before some of the frames.
type LATM struct {
	mux *mpeg4audio.StreamMuxConfig
	aac AAC
}

// Frame returns the frame of an AudioMuxElement, a copy, and its configuration.
func (l *LATM) Frame(element []byte) ([]byte, AAC, error) {
	e := mpeg4audio.AudioMuxElement{MuxConfigPresent: true, StreamMuxConfig: l.mux}
	if err := guarded("LATM", func() error { return e.Unmarshal(element) }); err != nil {
		return nil, AAC{}, err
	}
	if e.StreamMuxConfig != l.mux {
		if err := l.configure(e.StreamMuxConfig); err != nil {
			return nil, AAC{}, err
		}
	}
	if l.mux == nil || len(e.Payloads) != 1 || len(e.Payloads[0]) != 1 || len(e.Payloads[0][0]) != 1 {
		return nil, AAC{}, errLATM
	}
	return e.Payloads[0][0][0], l.aac, nil
}

func (l *LATM) configure(mux *mpeg4audio.StreamMuxConfig) error {
	if len(mux.Programs) != 1 || len(mux.Programs[0].Layers) != 1 || mux.Programs[0].Layers[0].AudioSpecificConfig == nil {
		return errLATM
	}
	var config []byte
	err := guarded("AudioSpecificConfig", func() (err error) {
		config, err = mux.Programs[0].Layers[0].AudioSpecificConfig.Marshal()
		return err
	})
	if err != nil {
		return err
	}
	aac, err := ParseAAC(config)
	if err != nil {
		return err
	}
	l.mux, l.aac = mux, aac
	return nil
}
