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

// synthesize writes a file of pictures with 8 Mbit/s at 30 a second, a key frame
// every second, and sound in 128 kbit/s.
func synthesize(b testing.TB, out io.Writer, duration time.Duration) {
	b.Helper()
	w, err := fmp4.NewWriter(out, []media.Track{vp8(1), mp3(2)}, nil)
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
}

// BenchmarkRemux reads a fragmented file as packets and writes them as another:
// bytes of it a second, and allocations a packet.
func BenchmarkRemux(b *testing.B) {
	var file bytes.Buffer
	if *remuxed == "" {
		synthesize(b, &file, 20*time.Second)
	}
	var before, after runtime.MemStats
	packets := 0
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if *remuxed == "" {
			packets += copyPackets(b, bytes.NewReader(file.Bytes()), io.Discard)
			b.SetBytes(int64(file.Len()))
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

func copyPackets(b testing.TB, in io.Reader, out io.Writer) (packets int) {
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

// What is held does not grow with the length of what is read and written.
func TestMemoryIsFlat(t *testing.T) {
	source, sink := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer sink.Close()
		synthesize(t, sink, 60*time.Second)
	}()
	r, err := fmp4.NewReader(source)
	if err != nil {
		t.Fatal(err)
	}
	w, err := fmp4.NewWriter(io.Discard, r.Tracks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var first, last runtime.MemStats
	var p media.Packet
	for {
		if err = r.ReadPacket(&p); err == nil {
			err = w.WritePacket(&p)
		}
		if err != nil {
			break
		}
		if p.Track == 1 && p.DTS < 10*time.Second {
			runtime.ReadMemStats(&first)
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&last)
	<-written
	if n := last.TotalAlloc - first.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated for 50 s of 8 Mbit/s, after the first 10 s", n)
	}
}
