package fmp4_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
)

var remuxed = flag.String("fmp4.remux", "", "a file that BenchmarkRemux remuxes in place of its own")

// synthetic returns a file of pictures with 8 Mbit/s at 30 a second, a key frame
// every second, and sound in 128 kbit/s.
func synthetic(b *testing.B, duration time.Duration) []byte {
	b.Helper()
	var file bytes.Buffer
	w, err := fmp4.NewWriter(&file, []media.Track{vp8(1), mp3(2)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	picture, sound := packet(1, 0, 1000000/30, true), packet(2, 0, 384, true)
	for n := 0; picture.DTS < duration; n++ {
		picture.Key = n%30 == 0
		if err := w.WritePacket(&picture); err != nil {
			b.Fatal(err)
		}
		for ; sound.DTS <= picture.DTS; sound.DTS += ms(24) {
			sound.PTS = sound.DTS
			if err := w.WritePacket(&sound); err != nil {
				b.Fatal(err)
			}
		}
		picture.DTS += time.Second / 30
		picture.PTS = picture.DTS
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

// BenchmarkRemux reads a fragmented file as packets and writes them as another:
// bytes of it a second, and allocations a packet.
func BenchmarkRemux(b *testing.B) {
	var file []byte
	if *remuxed == "" {
		file = synthetic(b, 20*time.Second)
	}
	var before, after runtime.MemStats
	packets := 0
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if *remuxed == "" {
			packets += copyPackets(b, bytes.NewReader(file), io.Discard)
			b.SetBytes(int64(len(file)))
			continue
		}
		packets += copyFile(b, *remuxed)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(packets), "allocs/packet")
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
}

// copyFile remuxes a file to another beside it.
func copyFile(b *testing.B, name string) (packets int) {
	in, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(name + ".remuxed.mp4")
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	return copyPackets(b, in, out)
}

func copyPackets(b *testing.B, in io.Reader, out io.Writer) (packets int) {
	r, err := fmp4.NewReader(in)
	if err != nil {
		b.Fatal(err)
	}
	w, err := fmp4.NewWriter(out, r.Tracks(), nil)
	if err != nil {
		b.Fatal(err)
	}
	var p media.Packet
	for ; ; packets++ {
		if err = r.ReadPacket(&p); err == nil {
			err = w.WritePacket(&p)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return packets
}
