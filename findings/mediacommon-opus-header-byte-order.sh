#!/usr/bin/env bash
# bluenviron/mediacommon v2.9.3 (Go), pkg/codecs/opus, IDHeader.
#
# The numbers of an OpusHead are little-endian (RFC 7845, section 5.1). IDHeader names
# that section, and reads and writes them big-endian, as MP4's dOps box has them. It
# accepts every header and is right about what it wrote itself, so only an exchange with
# others shows it: of the OpusHead that a catalog of moq-rs 0.5.1 carries (the same bytes
# as in an Ogg file) it makes a pre-skip of 0.3 s in place of 6.5 ms and a rate of 2 GHz,
# and the header that it writes says the same to others. A player that trusts either
# drops the first 0.3 s of sound.
#
# Seen:
#   in a catalog: 4f707573486561640102380180bb0000000000
#   read: pre-skip 14337 rate 2159738880
#   written for 312 and 48000: 4f70757348656164010201380000bb80000000
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module opushead

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"encoding/base64"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	// Version 1, 2 channels, pre-skip 312, 48000 Hz, no gain, mapping family 0.
	head, err := base64.StdEncoding.DecodeString("T3B1c0hlYWQBAjgBgLsAAAAAAA==")
	must(err)
	fmt.Printf("in a catalog: %x\n", head)
	var read opus.IDHeader
	must(read.Unmarshal(head))
	fmt.Println("read: pre-skip", read.PreSkip, "rate", read.InputSampleRate)
	written, err := opus.IDHeader{Version: 1, ChannelCount: 2, PreSkip: 312, InputSampleRate: 48000}.Marshal()
	must(err)
	fmt.Printf("written for 312 and 48000: %x\n", written)
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
in a catalog: 4f707573486561640102380180bb0000000000
read: pre-skip 14337 rate 2159738880
written for 312 and 48000: 4f70757348656164010201380000bb80000000
SEEN
