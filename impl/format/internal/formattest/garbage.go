// Package formattest has what the tests of readers of formats share.
package formattest

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/moqlite/moqlite/api/media"
)

// Open opens a source of one format.
type Open func(io.Reader) (media.Reader, error)

// Read reads a source to its end. It returns how many packets there were, and
// the error that ended it, nil for io.EOF. It fails the test where a packet
// breaks what [media.Reader] promises.
func Read(t testing.TB, open Open, b []byte) (packets int, err error) {
	t.Helper()
	r, err := open(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	tracks := map[int]media.Track{}
	for _, track := range r.Tracks() {
		tracks[track.ID] = track
	}
	if len(tracks) == 0 || len(tracks) != len(r.Tracks()) {
		t.Errorf("tracks %+v", r.Tracks())
	}
	var p media.Packet
	begun := map[int]bool{}
	for {
		if err := r.ReadPacket(&p); err != nil {
			if again := r.ReadPacket(&p); !errors.Is(again, err) {
				t.Errorf("%v, and then %v", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return packets, err
		}
		track, ok := tracks[p.Track]
		if !ok || len(p.Payload) == 0 || track.Audio != nil && !p.Key || p.Duration < 0 {
			t.Errorf("packet %d: track %d, %d bytes, key %v, %v", packets, p.Track, len(p.Payload), p.Key, p.Duration)
		}
		if !begun[p.Track] && !p.Key {
			t.Errorf("packet %d: track %d does not begin with a key frame", packets, p.Track)
		}
		begun[p.Track] = true
		packets++
	}
}

var mutations = flag.Int("formattest.mutations", 150, "how many mutations of each sample are read")

// Garbage reads mutations of a sample. Each gives packets, or an error.
func Garbage(t *testing.T, open Open, sample []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for range *mutations {
		_, _ = Read(t, open, Mutate(random, sample))
	}
}

// Memory reads a mutation of a long source and fails the test if more than four
// times its size was allocated for it, all in all.
func Memory(t *testing.T, open Open, source []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	for range 4 {
		b := Mutate(random, source)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Read(t, open, b)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 4*uint64(len(source)) {
			t.Errorf("%d bytes allocated for a source of %d", got, len(source))
		}
	}
}

// Mutate returns b with some of it changed, doubled, missing or cut off.
func Mutate(random *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + random.IntN(20) {
		if len(b) == 0 {
			return b
		}
		at := random.IntN(len(b))
		end := min(len(b), at+1+random.IntN(400))
		switch random.IntN(8) {
		case 0:
			b = append(b[:at], b[end:]...)
		case 1:
			b = append(b[:end], append(bytes.Clone(b[at:end]), b[end:]...)...)
		case 2:
			for i := at; i < end; i++ {
				b[i] = byte(random.Uint32())
			}
		case 3:
			if random.IntN(8) == 0 {
				b = b[:at]
			}
		case 4:
			for i := at; i < min(end, at+4); i++ {
				b[i] = 0xff
			}
		default:
			b[at] ^= 1 << random.IntN(8)
		}
	}
	return b
}
