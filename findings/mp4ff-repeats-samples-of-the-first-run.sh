#!/usr/bin/env bash
# Eyevinn/mp4ff v0.50.0 (Go), Fragment.GetFullSamples.
#
# A trun without a data offset has its data right after the data of the run before it
# (ISO/IEC 14496-12, 8.8.8); so a fragment of several runs need give one offset only.
# mp4ff computes the place of each run anew from the start of the moof. In a fragment
# that begins its input (a MoQ frame of a CMAF track always does) the second run then
# yields the bytes of the first again, with the right times and no error; behind another
# box the same fragment is refused. Give every run its offset, or slice the mdat yourself.
#
# Seen, for two runs of two samples each:
#   alone: 0 AAAA 40 BBBB 80 AAAA 120 BBBB
#   behind styp: offset in mdata beyond size
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module runs

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
)

func box(kind string, content ...[]byte) []byte {
	body := append([]byte(kind), bytes.Join(content, nil)...)
	return append(words(uint32(len(body)+4)), body...)
}

func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func moof(offset uint32) []byte {
	return box("moof", box("mfhd", words(0, 1)), box("traf",
		box("tfhd", words(0x020000, 1)), // the base is the moof
		box("tfdt", words(0, 0)),
		box("trun", words(0x301, 2, offset, 40, 4, 40, 4)), // offset; duration and size of each
		box("trun", words(0x300, 2, 40, 4, 40, 4))))
}

func read(input ...[]byte) string {
	file, err := mp4.DecodeFile(bytes.NewReader(bytes.Join(input, nil)))
	must(err)
	samples, err := file.Segments[0].Fragments[0].GetFullSamples(nil)
	if err != nil {
		return " " + err.Error()
	}
	seen := ""
	for _, sample := range samples {
		seen += fmt.Sprint(" ", sample.DecodeTime, " ", string(sample.Data))
	}
	return seen
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	head := moof(uint32(len(moof(0)) + 8))
	data := box("mdat", []byte("AAAABBBBCCCCDDDD"))
	styp := box("styp", []byte("cmfc"), words(0), []byte("cmfc"))
	fmt.Println("alone:" + read(head, data))
	fmt.Println("behind styp:" + read(styp, head, data))
}
GO
go get github.com/Eyevinn/mp4ff@v0.50.0 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
alone: 0 AAAA 40 BBBB 80 AAAA 120 BBBB
behind styp: offset in mdata beyond size
SEEN
