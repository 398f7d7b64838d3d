package fmp4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
)

// Read an MP4, and write its pictures alone.
func Example() {
	in, err := os.Open("testdata/h264b_opus.mp4")
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	r, err := fmp4.NewReader(in)
	if err != nil {
		log.Fatal(err)
	}
	pictures := r.Tracks()[0]
	var out bytes.Buffer
	w, err := fmp4.NewWriter(&out, []media.Track{pictures}, nil)
	if err != nil {
		log.Fatal(err)
	}
	var p media.Packet
	n := 0
	for {
		if err := r.ReadPacket(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		if p.Track != pictures.ID {
			continue
		}
		if err := w.WritePacket(&p); err != nil {
			log.Fatal(err)
		}
		n++
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "pictures of", pictures.Video.Codec)
	// Output: 30 pictures of avc1.640009
}
