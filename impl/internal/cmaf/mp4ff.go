package cmaf

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// maxDecoded bounds the boxes that mp4ff decodes. It builds structures several
// times as large as some of them, and none that is of use is longer.
const maxDecoded = 1024

// decode has mp4ff decode one box.
func decode[T mp4.Box](x Box, decoder mp4.BoxDecoderSR) (box T, err error) {
	if len(x.Body) > maxDecoded {
		return box, malformed("a box %q of %d bytes, which may have %d", x.Name, len(x.Body), maxDecoded)
	}
	header := mp4.BoxHeader{Name: string(x.Name), Size: uint64(8 + len(x.Body)), Hdrlen: 8}
	var decoded mp4.Box
	err = guard(func() (err error) {
		decoded, err = decoder(header, 0, bits.NewFixedSliceReader(x.Body))
		return err
	})
	if err != nil {
		return box, malformed("box %q: %v", x.Name, err)
	}
	return decoded.(T), nil
}

// encode has mp4ff encode boxes, one after the other.
func encode(boxes ...mp4.Box) ([]byte, error) {
	var out bytes.Buffer
	for _, box := range boxes {
		if err := guard(func() error { return box.Encode(&out) }); err != nil {
			return nil, fmt.Errorf("cmaf: write box %q: %w", box.Type(), err)
		}
	}
	return out.Bytes(), nil
}

// guard calls into mp4ff, and makes an error of its panic.
func guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mp4ff panicked: %v", p)
		}
	}()
	return call()
}
