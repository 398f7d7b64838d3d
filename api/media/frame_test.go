package media_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// vectors reads a file of testdata into v. They were captured from real
// programs, or are what real programs make of a document.
func vectors(t testing.TB, name string, v any) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, v); err != nil {
		t.Fatal(err)
	}
}

type frameVectors struct {
	Tracks []struct {
		Source, Track, Container string
		Frames                   []struct {
			Group, Frame int
			Payload      []byte
			Expect       struct {
				TimestampUS   int64  `json:"timestamp_us"`
				HeaderBytes   int    `json:"header_bytes"`
				PayloadBytes  int    `json:"payload_bytes"`
				PayloadSHA256 string `json:"payload_sha256"`
				Marker        bool
			}
		}
	}
	LOC struct {
		Frames []struct {
			Name, Frame string
			Error       bool
			Expect      struct {
				TimestampUS int64 `json:"timestamp_us"`
				Payload     string
			}
		}
	}
}

// TestLegacyOfPublishers reads the frames of real publishers, and writes the
// same bytes.
func TestLegacyOfPublishers(t *testing.T) {
	var v frameVectors
	vectors(t, "frames.json", &v)
	read := 0
	for _, track := range v.Tracks {
		if track.Container != "legacy" {
			continue
		}
		t.Run(track.Source+"/"+track.Track, func(t *testing.T) {
			for _, frame := range track.Frames {
				read++
				f, err := media.ParseLegacy(frame.Payload)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(f.Payload)
				switch expect := frame.Expect; {
				case f.PTS != time.Duration(expect.TimestampUS)*time.Microsecond,
					f.Marker != expect.Marker,
					len(f.Payload) != expect.PayloadBytes,
					len(frame.Payload)-len(f.Payload) != expect.HeaderBytes,
					hex.EncodeToString(sum[:]) != expect.PayloadSHA256:
					t.Errorf("frame %d of group %d is read as %v, %t, %d bytes", frame.Frame, frame.Group, f.PTS, f.Marker, len(f.Payload))
				}
				// JS writes a longer form of small timestamps than is needed.
				again, err := media.ParseLegacy(media.AppendLegacy(nil, f))
				if err != nil || !reflect.DeepEqual(again, f) {
					t.Errorf("written and read again it is %+v, %v", again, err)
				}
			}
		})
	}
	if read == 0 {
		t.Error("there are no legacy frames in frames.json")
	}
}

// TestLOCOfReaders reads frames as the implementations of the ecosystem do.
func TestLOCOfReaders(t *testing.T) {
	var v frameVectors
	vectors(t, "frames.json", &v)
	for _, vector := range v.LOC.Frames {
		t.Run(vector.Name, func(t *testing.T) {
			raw, _ := hex.DecodeString(vector.Frame)
			f, err := media.ParseLOC(raw)
			if vector.Error {
				if err == nil {
					t.Errorf("it is read as %+v", f)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if f.PTS.Microseconds() != vector.Expect.TimestampUS || hex.EncodeToString(f.Payload) != vector.Expect.Payload || f.Marker {
				t.Errorf("it is read as %+v", f)
			}
		})
	}
}

// TestContainers writes frames in both containers, and reads them.
func TestContainers(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	for _, test := range []struct {
		name        string
		frame       media.Frame
		legacy, loc string
		pts         time.Duration
		marker      bool
	}{
		{"the beginning", media.Frame{Payload: []byte{7}}, "0007", "02100007", 0, false},
		{"40 ms", media.Frame{PTS: 40 * time.Millisecond, Payload: []byte{7}}, "80009c4007", "051080009c4007", 40 * time.Millisecond, false},
		{"before the beginning", media.Frame{PTS: -time.Second, Payload: []byte{7}}, "0007", "02100007", 0, false},
		{"a fraction of a microsecond", media.Frame{PTS: 1999, Payload: []byte{7}}, "0107", "02100107", time.Microsecond, false},
		{"a marker", media.Frame{PTS: time.Second, Marker: true}, "800f4240", "0510800f4240", time.Second, true},
		{"a marker with bytes", media.Frame{PTS: time.Second, Marker: true, Payload: []byte{7}}, "800f4240", "0510800f4240", time.Second, true},
		{"since 1970", media.Frame{PTS: 1_796_000_000 * time.Second, Payload: []byte{7}}, "c0066173d604400007", "0910c0066173d604400007", 1_796_000_000 * time.Second, false},
		{"as late as can be", media.Frame{PTS: longest, Payload: []byte{7}}, "c020c49ba5e353f707", "0910c020c49ba5e353f707", longest.Truncate(time.Microsecond), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, container := range []struct {
				name, wants string
				write       func([]byte, media.Frame) []byte
				read        func([]byte) (media.Frame, error)
			}{
				{"legacy", test.legacy, media.AppendLegacy, media.ParseLegacy},
				{"LOC", test.loc, media.AppendLOC, media.ParseLOC},
			} {
				raw := container.write([]byte("before"), test.frame)
				if !bytes.HasPrefix(raw, []byte("before")) {
					t.Fatalf("%s: %x does not begin with what was there", container.name, raw)
				}
				raw = raw[len("before"):]
				if got := hex.EncodeToString(raw); got != container.wants {
					t.Errorf("%s: it is written as %s, and should be %s", container.name, got, container.wants)
				}
				f, err := container.read(raw)
				if err != nil || f.PTS != test.pts || f.Marker != test.marker || len(f.Payload) == 0 != test.marker {
					t.Errorf("%s: it is read as %+v, %v", container.name, f, err)
				}
			}
		})
	}
}

// TestContainersAllocateNothing writes and reads frames into a buffer that is
// there.
func TestContainersAllocateNothing(t *testing.T) {
	frame := media.Frame{PTS: time.Hour, Payload: make([]byte, 1000)}
	buf := make([]byte, 0, 2000)
	n := testing.AllocsPerRun(100, func() {
		a, errA := media.ParseLegacy(media.AppendLegacy(buf, frame))
		b, errB := media.ParseLOC(media.AppendLOC(buf, frame))
		if errA != nil || errB != nil || a.PTS != b.PTS {
			t.Error(a, errA, b, errB)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// TestBrokenFrames reads what is no frame.
func TestBrokenFrames(t *testing.T) {
	for name, test := range map[string]struct {
		read func([]byte) (media.Frame, error)
		raw  string
		want string
	}{
		"nothing, legacy":           {media.ParseLegacy, "", "legacy frame of 0 bytes: it ends within the timestamp"},
		"nothing, LOC":              {media.ParseLOC, "", "LOC frame of 0 bytes: it ends within its properties"},
		"cut, legacy":               {media.ParseLegacy, "80009c", "legacy frame of 3 bytes: it ends within the timestamp"},
		"too late, legacy":          {media.ParseLegacy, "ffffffffffffffff00", "legacy frame: timestamp 4611686018427387903 µs: a time.Duration does not reach so far"},
		"too late, LOC":             {media.ParseLOC, "0910ffffffffffffffff00", "LOC frame: timestamp 4611686018427387903 of timescale 1000000: a time.Duration does not reach so far"},
		"a timescale of 1":          {media.ParseLOC, "0b080108ffffffffffffffff00", "LOC frame: timestamp 4611686018427387903 of timescale 1: a time.Duration does not reach so far"},
		"no properties, LOC":        {media.ParseLOC, "0001", "LOC frame: it has no timestamp (property 0x10)"},
		"a type without its value":  {media.ParseLOC, "011000", "LOC frame: its properties end within one"},
		"half a length":             {media.ParseLOC, "030dffff", "LOC frame: its properties end within one"},
		"properties beyond it":      {media.ParseLOC, "040dffff", "LOC frame of 4 bytes: it ends within its properties"},
		"bytes beyond them":         {media.ParseLOC, "020d7f", "LOC frame: its properties end within one"},
		"half a type":               {media.ParseLOC, "0180", "LOC frame: its properties end within one"},
		"types that exceed 64 bits": {media.ParseLOC, "2d" + strings.Repeat("fffffffffffffffe00", 5), "LOC frame: the types of its properties exceed 64 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := hex.DecodeString(test.raw)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := test.read(raw); err == nil || err.Error() != test.want {
				t.Errorf("it is %+v, %v", f, err)
			}
		})
	}
}

func FuzzParseLegacy(f *testing.F) {
	fuzzContainer(f, "legacy", media.AppendLegacy, media.ParseLegacy)
}

func FuzzParseLOC(f *testing.F) {
	fuzzContainer(f, "loc", media.AppendLOC, media.ParseLOC)
}

// fuzzContainer checks that what is written of a frame is read as the same.
func fuzzContainer(f *testing.F, name string, write func([]byte, media.Frame) []byte, read func([]byte) (media.Frame, error)) {
	var v frameVectors
	vectors(f, "frames.json", &v)
	for _, track := range v.Tracks {
		if track.Container == name {
			f.Add(track.Frames[0].Payload[:min(40, len(track.Frames[0].Payload))])
		}
	}
	for _, vector := range v.LOC.Frames {
		raw, _ := hex.DecodeString(vector.Frame)
		f.Add(raw)
	}
	marker, _ := base64.StdEncoding.DecodeString("gA9CQA==")
	f.Add(marker)
	f.Fuzz(func(t *testing.T, raw []byte) {
		frame, err := read(raw)
		if err != nil {
			return
		}
		frame.PTS = frame.PTS.Truncate(time.Microsecond) // LOC has finer timescales
		again, err := read(write(nil, frame))
		if err != nil || again.PTS != frame.PTS || again.Marker != frame.Marker || !bytes.Equal(again.Payload, frame.Payload) {
			t.Errorf("%+v is written, and read as %+v, %v", frame, again, err)
		}
	})
}
