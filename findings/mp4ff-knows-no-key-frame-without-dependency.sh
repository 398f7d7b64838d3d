#!/usr/bin/env bash
# Eyevinn/mp4ff v0.50.0 (Go), Sample.IsSync and IsSyncSampleFlags, reading what
# bluenviron/mediacommon v2.9.3 writes.
#
# A sample is a key frame if sample_is_non_sync_sample is clear. mp4ff also asks that
# sample_depends_on is 2 ("does not depend on others"). Writers that do not know leave
# it 0, which is the default where no flags are written at all: mediacommon writes all
# its key frames so, and audio, where every sample is one, seldom has other flags. Such
# a track has no key frame for mp4ff, and a segmenter that waits for one waits for
# ever. Test the bit yourself: Flags & NonSyncSampleFlags == 0.
#
# Seen:
#   video: flags 00000000 sync false, flags 00010000 sync false
#   audio: flags 00000000 sync false, flags 00000000 sync false
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
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
)

func read(samples ...*fmp4.Sample) string {
	var b seekablebuffer.Buffer
	part := fmp4.Part{SequenceNumber: 1, Tracks: []*fmp4.PartTrack{{ID: 1, Samples: samples}}}
	must(part.Marshal(&b))
	file, err := mp4.DecodeFile(bytes.NewReader(b.Bytes()))
	must(err)
	full, err := file.Segments[0].Fragments[0].GetFullSamples(nil)
	must(err)
	var seen []string
	for _, sample := range full {
		seen = append(seen, fmt.Sprintf("flags %08x sync %v", sample.Flags, sample.IsSync() || mp4.IsSyncSampleFlags(sample.Flags)))
	}
	return strings.Join(seen, ", ")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	key := &fmp4.Sample{Duration: 3600, Payload: []byte{0, 0, 0, 2, 0x65, 1}}
	delta := &fmp4.Sample{Duration: 3600, Payload: []byte{0, 0, 0, 2, 0x41, 1}, IsNonSyncSample: true}
	sound := &fmp4.Sample{Duration: 1024, Payload: []byte{0x21, 0x10, 0x05}}
	fmt.Println("video:", read(key, delta))
	fmt.Println("audio:", read(sound, sound))
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 github.com/Eyevinn/mp4ff@v0.50.0 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
video: flags 00000000 sync false, flags 00010000 sync false
audio: flags 00000000 sync false, flags 00000000 sync false
SEEN
