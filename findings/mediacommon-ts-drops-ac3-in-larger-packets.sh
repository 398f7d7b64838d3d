#!/usr/bin/env bash
# bluenviron/mediacommon v2.9.3 (Go), pkg/formats/mpegts, Reader.OnDataAC3.
#
# A PES packet may carry several audio frames, and muxers that save overhead put as many
# in one as fit (ffmpeg does so up to 2930 bytes, that is three frames at 192 kbit/s).
# The reader splits AAC, MP3 and Opus packets. For AC-3 it wants exactly one frame in a
# packet and drops every other packet whole. The track is listed, the pictures come, the
# sound is missing; only OnDecodeError, which nothing obliges one to set, is told.
#
# Seen, for 12 frames of 768 bytes:
#   1 a packet: 12 frames, 0 errors
#   3 a packet: 0 frames, 4 errors, unexpected frame size: got 2304, expected 768
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module ac3

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
)

// programme has 12 AC-3 frames of 32 ms: 48 kHz, 192 kbit/s, stereo.
func programme(perPacket int) []byte {
	frame := make([]byte, 768)
	copy(frame, []byte{0x0b, 0x77, 0, 0, 0x14, 0x40, 0x43, 0xe1})
	track := &mpegts.Track{Codec: &codecs.AC3{SampleRate: 48000, ChannelCount: 2}}
	var b bytes.Buffer
	w := &mpegts.Writer{W: &b, Tracks: []*mpegts.Track{track}}
	must(w.Initialize())
	for i := 0; i < 12; i += perPacket {
		must(w.WriteAC3(track, 2880*int64(i), bytes.Repeat(frame, perPacket)))
	}
	return b.Bytes()
}

func read(ts []byte) string {
	r := &mpegts.Reader{R: bytes.NewReader(ts)}
	must(r.Initialize())
	frames, errors, last := 0, 0, ""
	r.OnDecodeError(func(err error) { errors++; last = ", " + err.Error() })
	r.OnDataAC3(r.Tracks()[0], func(_ int64, data []byte) error { frames += len(data) / 768; return nil })
	for r.Read() == nil {
	}
	return fmt.Sprint(frames, " frames, ", errors, " errors", last)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	fmt.Println("1 a packet:", read(programme(1)))
	fmt.Println("3 a packet:", read(programme(3)))
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
1 a packet: 12 frames, 0 errors
3 a packet: 0 frames, 4 errors, unexpected frame size: got 2304, expected 768
SEEN
