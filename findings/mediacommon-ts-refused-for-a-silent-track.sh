#!/usr/bin/env bash
# bluenviron/mediacommon v2.9.3 (Go), pkg/formats/mpegts, Reader.Initialize.
#
# The reader looks for the parameters of an AAC or AC-3 track in the track's first
# packets before it hands out anything. A programme that lists such a track and sends
# nothing on it for now (a camera whose microphone is off, a second language that is
# silent) cannot be read at all: Initialize reads the whole input, keeps it, and fails
# with EOF, although every picture in it is whole. With Opus, MP3 or KLV in the same
# place the pictures are read. Take such tracks out of the PMT before the reader, or
# bound what it may read.
#
# Seen, for a programme of 50 pictures with a second track that is silent:
#   none: 50 pictures
#   Opus: 50 pictures
#   MP3: 50 pictures
#   AAC: EOF
#   AC-3: EOF
set -euo pipefail
cd "$(mktemp -d)"
cat >go.mod <<'MOD'
module silent

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
)

func programme(second codecs.Codec) []byte {
	video := &mpegts.Track{Codec: &codecs.H264{}}
	tracks := []*mpegts.Track{video}
	if second != nil {
		tracks = append(tracks, &mpegts.Track{Codec: second})
	}
	var b bytes.Buffer
	w := &mpegts.Writer{W: &b, Tracks: tracks}
	must(w.Initialize())
	for i := range int64(50) {
		unit := [][]byte{{0x41, 1, 2, 3}}
		if i == 0 {
			unit = [][]byte{{0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84}, {0x68, 1, 2}, {0x65, 1, 2, 3}}
		}
		must(w.WriteH264(video, 3600*i, 3600*i, unit))
	}
	return b.Bytes()
}

func read(ts []byte) string {
	r := &mpegts.Reader{R: bytes.NewReader(ts)}
	if err := r.Initialize(); err != nil {
		return err.Error()
	}
	pictures := 0
	r.OnDataH264(r.Tracks()[0], func(int64, int64, [][]byte) error { pictures++; return nil })
	for r.Read() == nil {
	}
	return fmt.Sprint(pictures, " pictures")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	fmt.Println("none:", read(programme(nil)))
	fmt.Println("Opus:", read(programme(&codecs.Opus{ChannelCount: 2})))
	fmt.Println("MP3:", read(programme(&codecs.MPEG1Audio{})))
	aac := mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2, ChannelCount: 2}
	fmt.Println("AAC:", read(programme(&codecs.MPEG4Audio{Config: aac})))
	fmt.Println("AC-3:", read(programme(&codecs.AC3{SampleRate: 48000, ChannelCount: 2})))
}
GO
go get github.com/bluenviron/mediacommon/v2@v2.9.3 2>/dev/null
go mod tidy 2>/dev/null
diff <(go run .) - <<'SEEN'
none: 50 pictures
Opus: 50 pictures
MP3: 50 pictures
AAC: EOF
AC-3: EOF
SEEN
