#!/usr/bin/env bash
# Eyevinn/mp4ff v0.50.0 (Go), TrakBox.SetAACDescriptor, and moq-rs 0.5.1 with moq-ffi
# 0.4.18 (PyPI), fMP4 import, on Python 3.11.
#
# The sample rate of an MP4 audio sample entry has 16 bits, so 88.2 and 96 kHz do not fit:
# there the AudioSpecificConfig in the esds counts. mp4ff writes the low 16 bits of the
# rate into the entry, and moq-rs takes the catalog's sampleRate from the entry although
# the description next to it says otherwise. No side complains; who sets up a decoder or
# an output from the catalog does so for 30464 Hz. Correct the entry after
# SetAACDescriptor, and take the rate from the description.
#
# Seen, for each rate given to mp4ff:
#   48000: entry 48000 catalog 48000 description 48000
#   88200: entry 22664 catalog 22664 description 88200
#   96000: entry 30464 catalog 30464 description 96000
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check moq-rs==0.5.1 moq-ffi==0.4.18
cat >go.mod <<'MOD'
module rates

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/mp4"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	for _, rate := range []int{48000, 88200, 96000} {
		init := mp4.CreateEmptyInit()
		init.AddEmptyTrack(uint32(rate), "audio", "und")
		must(init.Moov.Trak.SetAACDescriptor(aac.AAClc, rate))
		fragment, err := mp4.CreateFragment(1, 1)
		must(err)
		data := []byte{0x21, 0x10, 0x05, 0x00}
		fragment.AddFullSample(mp4.FullSample{Sample: mp4.NewSample(mp4.SyncSampleFlags, 1024, 4, 0), Data: data})
		var b bytes.Buffer
		must(init.Encode(&b))
		must(fragment.Encode(&b))
		must(os.WriteFile(fmt.Sprint(rate), b.Bytes(), 0o644))
	}
}
GO
cat >run.py <<'PY'
import asyncio, json, moq

RATES = [96000, 88200, 64000, 48000]

async def main():
    for rate in 48000, 88200, 96000:
        file = open(str(rate), "rb").read()
        entry = file.index(b"mp4a")
        broadcast = moq.BroadcastProducer()
        importer = broadcast.publish_container_stream(moq.ContainerFormat.FMP4)
        importer.write(file)
        track = await broadcast.consume().subscribe_track("catalog.json")
        catalog = json.loads((await asyncio.wait_for(track.read_frame(), 5)).payload)
        audio, = catalog["audio"]["renditions"].values()
        description = int(audio["description"], 16) >> 7 & 15
        print(f"{rate}: entry", int.from_bytes(file[entry + 28:entry + 30], "big"),
              "catalog", audio["sampleRate"], "description", RATES[description])

asyncio.run(main())
PY
go get github.com/Eyevinn/mp4ff@v0.50.0 2>/dev/null
go mod tidy 2>/dev/null
go run .
diff <(timeout 60 venv/bin/python run.py) - <<'SEEN'
48000: entry 48000 catalog 48000 description 48000
88200: entry 22664 catalog 22664 description 88200
96000: entry 30464 catalog 30464 description 96000
SEEN
