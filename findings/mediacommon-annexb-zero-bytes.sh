#!/usr/bin/env bash
# bluenviron/mediacommon v2.9.3 (Go), pkg/codecs/h264, AnnexB.Unmarshal, as the TS reader
# uses it for H.264 and H.265.
#
# In the byte stream format any number of zero bytes may follow a unit, and a stream may
# begin with some; encoders at a constant rate stuff so. They are not part of the units,
# whose last byte is never zero. The reader takes one zero off between two units and none
# at the end; the rest stays on the unit, goes into avcC and into MP4 samples, and two
# equal SPS compare as different, which looks like a change of format. Where zeros come
# before the first start code, the picture is dropped whole, and only OnDecodeError is
# told. Trim zeros from the ends of units, and from the front before unmarshalling.
#
# Seen:
#   plain: SPS 6742c01f picture 658884
#   3 zeros after each: SPS 6742c01f0000 picture 658884000000
#   zero in front: initial delimiter not found
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module zeros

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

var (
	sps     = []byte{0, 0, 1, 0x67, 0x42, 0xc0, 0x1f}
	picture = []byte{0, 0, 1, 0x65, 0x88, 0x84}
)

func read(stream ...[]byte) string {
	var units h264.AnnexB
	if err := units.Unmarshal(bytes.Join(stream, nil)); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("SPS %x picture %x", units[0], units[1])
}

func main() {
	zeros := make([]byte, 3)
	fmt.Println("plain:", read(sps, picture))
	fmt.Println("3 zeros after each:", read(sps, zeros, picture, zeros))
	fmt.Println("zero in front:", read(zeros[:2], sps, picture))
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
plain: SPS 6742c01f picture 658884
3 zeros after each: SPS 6742c01f0000 picture 658884000000
zero in front: initial delimiter not found
SEEN
