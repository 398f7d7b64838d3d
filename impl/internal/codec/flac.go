package codec

import (
	"bytes"
	"fmt"
)

// A FLAC is what STREAMINFO tells (RFC 9639, section 8.2).
type FLAC struct {
	Rate, Channels, Bits int
	Samples              int // of a frame, at most

	info []byte
}

const flacMagic, flacInfo = "fLaC", 34

// ParseFLAC reads STREAMINFO: alone, as a metadata block, or after "fLaC" as in
// a description. MP4's dfLa box has the block. What it returns has parts of b.
func ParseFLAC(b []byte) (FLAC, error) {
	info, whole := bytes.CutPrefix(b, []byte(flacMagic))
	if whole || len(info) >= 4+flacInfo && info[0]&0x7f == 0 {
		info = info[min(4, len(info)):]
	}
	if len(info) < flacInfo {
		return FLAC{}, fmt.Errorf("codec: STREAMINFO of FLAC in %d bytes: %w", len(b), errShort)
	}
	r := bitReader{b: info}
	r.read(16)
	f := FLAC{Samples: int(r.read(16)), info: info[:flacInfo:flacInfo]}
	r.read(24)
	r.read(24)
	f.Rate, f.Channels, f.Bits = int(r.read(20)), int(r.read(3))+1, int(r.read(5))+1
	if f.Rate == 0 || f.Samples == 0 {
		return FLAC{}, fmt.Errorf("codec: STREAMINFO of FLAC has no sample rate, or no size of blocks")
	}
	return f, nil
}

// Description is "fLaC" with STREAMINFO as the last metadata block.
func (f FLAC) Description() []byte {
	const last = 0x80
	return append(append([]byte(flacMagic), last, 0, 0, flacInfo), f.info...)
}
