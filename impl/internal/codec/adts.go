package codec

import "github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

// An ADTS is what the header of an ADTS frame says (ISO/IEC 13818-7, section
// 6.2).
type ADTS struct {
	AAC    AAC
	Header int // bytes of the header, which come first
	Size   int // bytes of the frame, with its header
}

// ParseADTS reads the header of an ADTS frame. The channels of a frame that
// does not tell them in its header are counted where the frame is whole.
func ParseADTS(b []byte) (ADTS, error) {
	if len(b) < 7 {
		return ADTS{}, ErrMore
	}
	rate := int(b[2] >> 2 & 15)
	a := ADTS{Header: 9, Size: int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)}
	if b[1]&1 == 1 { // no checksum
		a.Header = 7
	}
	blocks := b[6] & 3 // beside the first one
	if b[0] != 0xff || b[1]&0xf6 != 0xf0 || rate >= len(aacRates) || a.Size <= a.Header || blocks != 0 {
		return ADTS{}, ErrNoFrame
	}
	channels := int(b[2]&1<<2 | b[3]>>6)
	a.AAC = AAC{Object: int(b[2]>>6) + 1, Rate: aacRates[rate], Channels: aacChannels(channels)}
	if channels == 0 && len(b) >= a.Size {
		a.AAC.Channels = countChannels(b[a.Header:a.Size])
	}
	return a, nil
}

// countChannels counts the channels of a raw block of AAC; 0: it does not tell.
func countChannels(raw []byte) (n int) {
	err := guarded("AAC frame", func() (err error) {
		n, err = mpeg4audio.CountChannelsFromRawDataBlock(raw)
		return err
	})
	if err != nil {
		return 0
	}
	return n
}
