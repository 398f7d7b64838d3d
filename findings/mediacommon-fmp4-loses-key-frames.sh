#!/usr/bin/env bash
# bluenviron/mediacommon v2.9.3 (Go), pkg/formats/fmp4, Parts.Unmarshal, reading what
# Eyevinn/mp4ff v0.50.0 writes.
#
# Where only the first sample of a run differs, a writer may put the flags of that one
# in the trun's first_sample_flags and those of all others in the tfhd. ffmpeg does so,
# and mp4ff with OptimizeTrun. The reader does not look at first_sample_flags: it takes
# the key frame for a delta frame, without an error, so a group that begins with a key
# frame has none. Durations and sizes are right. Read the flags elsewhere, or take the
# first sample of a segment for the key frame.
#
# Seen, for the same three pictures written in both ways:
#   flags of each sample: key delta delta
#   first_sample_flags: delta delta delta
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module keyframes

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
)

func kinds(optimize mp4.EncOptimize) (kinds string) {
	fragment, err := mp4.CreateFragment(1, 1)
	must(err)
	for i, flags := range []uint32{mp4.SyncSampleFlags, mp4.NonSyncSampleFlags, mp4.NonSyncSampleFlags} {
		data := []byte{0, 0, 0, 2, 0x65, byte(i)}
		sample := mp4.NewSample(flags, 40, uint32(len(data)), 0)
		fragment.AddFullSample(mp4.FullSample{Sample: sample, DecodeTime: 40 * uint64(i), Data: data})
	}
	fragment.EncOptimize = optimize
	var b bytes.Buffer
	must(fragment.Encode(&b))
	var parts fmp4.Parts
	must(parts.Unmarshal(b.Bytes()))
	for _, sample := range parts[0].Tracks[0].Samples {
		if sample.IsNonSyncSample {
			kinds += " delta"
		} else {
			kinds += " key"
		}
	}
	return kinds
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	fmt.Println("flags of each sample:" + kinds(mp4.OptimizeNone))
	fmt.Println("first_sample_flags:" + kinds(mp4.OptimizeTrun))
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 github.com/Eyevinn/mp4ff@v0.50.0 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
flags of each sample: key delta delta
first_sample_flags: delta delta delta
SEEN
