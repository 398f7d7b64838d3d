package fmp4_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
)

var mutating = flag.Duration("fmp4.mutate", 200*time.Millisecond, "how long each sample is mutated")

// mutate changes a copy of a file in a few places: bytes, numbers of 32 bits,
// parts that go, and parts that come twice.
func mutate(rng *rand.Rand, file []byte) []byte {
	b := bytes.Clone(file)
	numbers := []uint32{0, 1, 7, 8, 9, 0x7fffffff, 0x80000000, 0xffffffff, uint32(len(b))}
	for range 1 + rng.IntN(4) {
		// Boxes of headers are small, and most of what can go wrong is in them.
		at := rng.IntN(len(b) - 8)
		if rng.IntN(2) == 0 {
			at = rng.IntN(min(2500, len(b)-8))
		}
		switch rng.IntN(5) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			binary.BigEndian.PutUint32(b[at:], numbers[rng.IntN(len(numbers))])
		case 2:
			binary.BigEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:])+uint32(rng.IntN(64))-32)
		case 3:
			n := 1 + rng.IntN(min(64, len(b)-at-4))
			b = append(b[:at], b[at+n:]...)
		case 4:
			n := 1 + rng.IntN(min(64, len(b)-at))
			b = append(b[:at+n], append(bytes.Clone(b[at:at+n]), b[at+n:]...)...)
		}
	}
	return b
}

// readAway reads a file and keeps nothing.
func readAway(in io.Reader) (packets int, err error) {
	r, err := fmp4.NewReader(in)
	if err != nil {
		return 0, err
	}
	var p media.Packet
	for {
		if err := r.ReadPacket(&p); err != nil {
			if again := r.ReadPacket(&p); again != err {
				panic("an error is not returned again")
			}
			return packets, err
		}
		if packets++; len(p.Payload) == 0 {
			panic("a packet without a payload")
		}
	}
}

// Mutations of each sample are errors at most, and take less memory than four
// times what there is of them.
func TestMutations(t *testing.T) {
	for i, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			var before, after runtime.MemStats
			n, worst := 0, uint64(0)
			for end := time.Now().Add(*mutating); time.Now().Before(end); n++ {
				b := mutate(rng, s.file)
				in := s.reader(b)
				runtime.ReadMemStats(&before)
				readAway(in)
				runtime.ReadMemStats(&after)
				allocated := after.TotalAlloc - before.TotalAlloc
				if worst = max(worst, allocated); allocated > 4*uint64(len(b))+64<<10 {
					t.Fatalf("mutation %d of %d bytes took %d bytes", n, len(b), allocated)
				}
			}
			t.Logf("%d mutations, at most %d bytes of %d", n, worst, len(s.file))
		})
	}
}

// FuzzReader reads what may be a file, from a pipe and by seeking.
func FuzzReader(f *testing.F) {
	var small bytes.Buffer
	w, _ := fmp4.NewWriter(&small, []media.Track{vp8(1), mp3(2)}, &fmp4.Config{FragmentDuration: 1})
	for i := range 4 {
		p := packet(1+i%2, ms(10*i-10), 9, i < 3)
		if err := w.WritePacket(&p); err != nil {
			f.Fatal(err)
		}
	}
	w.Close()
	f.Add(small.Bytes())
	for _, s := range samples(f) { // those of ffmpeg, small: without most of what they hold
		if s.name == "plain" {
			f.Add(slices.Concat(s.file[:32], s.file[bytes.Index(s.file, []byte("moov"))-4:]))
		} else {
			f.Add(s.file[:2000])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		readAway(pipe{bytes.NewReader(b)})
		readAway(&bounded{bytes.NewReader(b), 1000})
	})
}

// bounded fails after so many seeks: tables of a few bytes may tell of billions
// of samples at the same place.
type bounded struct {
	*bytes.Reader
	seeks int
}

func (b *bounded) Seek(offset int64, whence int) (int64, error) {
	if b.seeks--; b.seeks < 0 {
		return 0, io.ErrNoProgress
	}
	return b.Reader.Seek(offset, whence)
}
