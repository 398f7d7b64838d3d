#!/usr/bin/env bash
# Eyevinn/mp4ff v0.50.0 (Go), avc.ConvertByteStreamToNaluSample.
#
# The conversion from start codes to lengths returns a new slice if any start code of the
# picture has three bytes. If all have four it writes the lengths over the start codes of
# the input and returns that. Which one it is differs from picture to picture, and key
# frames (SPS and PPS with four, slices with three) often are of the first kind, so a
# test with one picture shows nothing. Whoever else holds the bytes, another subscriber
# of a frame, say, then reads lengths in place of start codes, and a second conversion
# takes lengths from 256 to 511 (00 00 01 xx) for start codes. Convert a copy.
#
# Seen, for an SPS of 2 and a slice of 300 bytes:
#   3 and 4 bytes: input kept, converted again the same
#   only 4 bytes: input changed, converted again changed
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module inplace

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/avc"
)

func convert(codes ...[]byte) string {
	units := [][]byte{{0x67, 0x42}, append([]byte{0x65}, bytes.Repeat([]byte{0x88}, 299)...)}
	var picture []byte
	for i, unit := range units {
		picture = append(append(picture, codes[i]...), unit...)
	}
	before := bytes.Clone(picture)
	sample := bytes.Clone(avc.ConvertByteStreamToNaluSample(picture))
	input, again := "changed", "changed"
	if bytes.Equal(picture, before) {
		input = "kept"
	}
	if bytes.Equal(avc.ConvertByteStreamToNaluSample(picture), sample) {
		again = "the same"
	}
	return fmt.Sprintf("input %s, converted again %s", input, again)
}

func main() {
	three, four := []byte{0, 0, 1}, []byte{0, 0, 0, 1}
	fmt.Println("3 and 4 bytes:", convert(four, three))
	fmt.Println("only 4 bytes:", convert(four, four))
}
GO
go get github.com/Eyevinn/mp4ff@v0.50.0 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
3 and 4 bytes: input kept, converted again the same
only 4 bytes: input changed, converted again changed
SEEN
