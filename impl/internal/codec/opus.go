package codec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
)

// OpusRate is the sample rate of all Opus: what its times are counted in.
const OpusRate = 48000

// An OpusHead is the identification header of Opus (RFC 7845, section 5.1), the
// description that some catalogs have. MP4's dOps box has the same fields with
// the higher byte first.
type OpusHead struct {
	Channels int
	PreSkip  int    // samples at OpusRate to discard at the beginning
	Rate     int    // of what was encoded; 0: not told
	Gain     int16  // in 1/256 dB
	Family   byte   // of the mapping of channels
	Mapping  []byte // streams, coupled streams, and a byte a channel; nil for family 0
}

var opusMagic = []byte("OpusHead")

// ParseOpusHead reads an identification header. What it returns has parts of b.
func ParseOpusHead(b []byte) (OpusHead, error) {
	const fixed = 19
	if len(b) < fixed || string(b[:8]) != string(opusMagic) || b[8]>>4 != 0 || b[9] == 0 {
		return OpusHead{}, fmt.Errorf("codec: no OpusHead of version 1 in %d bytes", len(b))
	}
	h := OpusHead{
		Channels: int(b[9]),
		PreSkip:  int(binary.LittleEndian.Uint16(b[10:])),
		Rate:     int(binary.LittleEndian.Uint32(b[12:])),
		Gain:     int16(binary.LittleEndian.Uint16(b[16:])),
		Family:   b[18],
	}
	if h.Family == 0 {
		if h.Channels > 2 {
			return OpusHead{}, fmt.Errorf("codec: OpusHead of %d channels without their mapping", h.Channels)
		}
		return h, nil
	}
	if len(b) < fixed+2+h.Channels {
		return OpusHead{}, fmt.Errorf("codec: OpusHead of %d bytes: the mapping of its channels: %w", len(b), errShort)
	}
	h.Mapping = b[fixed : fixed+2+h.Channels]
	return h, nil
}

// Append appends h as an identification header.
func (h OpusHead) Append(dst []byte) ([]byte, error) {
	if h.Channels < 1 || h.Channels > 255 || h.PreSkip < 0 || h.PreSkip > 0xffff || h.Rate < 0 || int64(h.Rate) > 0xffffffff {
		return dst, errors.New("codec: OpusHead cannot hold such channels, pre-skip or rate")
	}
	if h.Family == 0 && h.Channels > 2 || h.Family != 0 && len(h.Mapping) != 2+h.Channels {
		return dst, fmt.Errorf("codec: OpusHead of %d channels needs their mapping", h.Channels)
	}
	dst = append(append(dst, opusMagic...), 1, byte(h.Channels))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.PreSkip))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Rate))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Gain))
	dst = append(dst, h.Family)
	if h.Family != 0 {
		dst = append(dst, h.Mapping...)
	}
	return dst, nil
}

// OpusSamples is how long a packet of Opus is, in samples at [OpusRate] (RFC
// 6716, section 3.1); 0: it does not tell, or lasts longer than the 120 ms that
// a packet may.
func OpusSamples(packet []byte) int {
	const most = OpusRate * 120 / 1000
	if n := opus.PacketDuration2(packet); n <= most {
		return int(n)
	}
	return 0
}
