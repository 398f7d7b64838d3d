package fmp4_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// A sample is a file that ffmpeg made, with the packets that ffprobe reads of it.
type sample struct {
	name string
	file []byte

	Streams []struct {
		TimeBase string `json:"time_base"`
		Width    int
		Channels int
	}
	Packets [][]*int64 // stream, pts, dts, duration or null, size, key
}

func samples(t testing.TB) (all []sample) {
	t.Helper()
	names, _ := filepath.Glob("testdata/*.mp4")
	if len(names) != 6 {
		t.Fatalf("%d samples; expected 6", len(names))
	}
	for _, name := range names {
		s := sample{name: strings.TrimSuffix(filepath.Base(name), ".mp4")}
		var err error
		if s.file, err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name + ".packets.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func (s sample) timescale(stream int) (scale uint32) {
	fmt.Sscanf(s.Streams[stream].TimeBase, "1/%d", &scale)
	return scale
}

// reader opens a sample as its form allows: from a pipe, or from a file.
func (s sample) reader(b []byte) io.Reader {
	if s.name == "plain" {
		return bytes.NewReader(b)
	}
	return pipe{bytes.NewReader(b)}
}

// A pipe hides that it can be sought in, and gives a few bytes at a time.
type pipe struct{ r io.Reader }

func (p pipe) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 1000)]) }

// readAll reads packets until an error.
func readAll(r media.Reader) (packets []media.Packet, err error) {
	for {
		var p media.Packet
		if err := r.ReadPacket(&p); err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
}

func TestReadSamples(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			r, err := fmp4.NewReader(s.reader(s.file))
			if err != nil {
				t.Fatal(err)
			}
			packets, err := readAll(r)
			if err != io.EOF {
				t.Fatalf("after %d packets: %v", len(packets), err)
			}
			checkPackets(t, s, packets)
			sorted := slices.IsSortedFunc(packets, func(a, b media.Packet) int { return int(a.DTS - b.DTS) })
			if apart := s.name == "h264_aac_separate" || s.name == "h264b_opus"; !sorted && !apart {
				t.Error("the packets of a fragment are not in the order of their decoding times")
			}
		})
	}
}

// checkPackets compares packets with those that ffprobe reads of a sample.
func checkPackets(t *testing.T, s sample, packets []media.Packet) {
	t.Helper()
	for stream := range s.Streams {
		scale := s.timescale(stream)
		var got, want [][5]int64
		for _, p := range packets {
			if p.Track == stream+1 {
				key := int64(0)
				if p.Key {
					key = 1
				}
				end := cmaf.ToTicks(p.DTS+p.Duration, scale)
				dts := cmaf.ToTicks(p.DTS, scale)
				got = append(got, [5]int64{cmaf.ToTicks(p.PTS, scale), dts, end - dts, int64(len(p.Payload)), key})
			}
		}
		for _, p := range s.Packets {
			if int(*p[0]) == stream {
				duration := int64(-1)
				if p[3] != nil {
					duration = *p[3]
				}
				want = append(want, [5]int64{*p[1], *p[2], duration, *p[4], *p[5]})
			}
		}
		for i := range want {
			// What ffprobe tells of a duration is at times the codec's. A
			// sample lasts until the next one is decoded; the last frame of
			// sound may be cut to what was encoded.
			if i+1 < len(want) {
				want[i][2] = want[i+1][1] - want[i][1]
			} else if i < len(got) && (want[i][2] < 0 || s.Streams[stream].Channels > 0) {
				want[i][2] = got[i][2]
			}
			// Where composition offsets are below 0, ffprobe adds the lowest to
			// all times of presentation.
			if s.name == "h264b_opus" && stream == 0 {
				want[i][0] -= 1024
			}
		}
		if !slices.Equal(got, want) {
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Errorf("stream %d: packet %d of %d and %d differs: %v; expected %v", stream, i, len(got), len(want), at(got, i), at(want, i))
				}
			}
		}
	}
}

func at[T any](s []T, i int) any {
	if i < len(s) {
		return s[i]
	}
	return nil
}

// A file that is cut gives what is whole, and says that it is cut.
func TestTruncated(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			r, _ := fmp4.NewReader(s.reader(s.file))
			whole, _ := readAll(r)
			for n := 0; n < len(s.file); n += 97 {
				r, err := fmp4.NewReader(s.reader(s.file[:n]))
				if err != nil {
					if !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Fatalf("of %d bytes: %v", n, err)
					}
					continue
				}
				packets, err := readAll(r)
				if len(packets) > len(whole) {
					t.Fatalf("of %d bytes: %d packets; the whole has %d", n, len(packets), len(whole))
				}
				for _, p := range packets {
					if !slices.ContainsFunc(whole, func(w media.Packet) bool {
						return w.Track == p.Track && w.DTS == p.DTS && bytes.Equal(w.Payload, p.Payload)
					}) {
						t.Fatalf("of %d bytes: a packet at %v that the whole has not", n, p.DTS)
					}
				}
				if len(packets) < len(whole) && err == io.EOF && !endsWithBox(s.file, n) {
					t.Fatalf("of %d bytes: %d packets of %d and %v", n, len(packets), len(whole), err)
				}
				if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("of %d bytes: %v", n, err)
				}
			}
		})
	}
}

// endsWithBox reports whether the first n bytes are whole boxes.
func endsWithBox(b []byte, n int) bool {
	for rest := b; len(rest) > 0; {
		if len(b)-len(rest) == n {
			return true
		}
		_, next, err := cmaf.NextBox(rest)
		if err != nil {
			return false
		}
		rest = next
	}
	return n == len(b)
}

func TestPlainFromAPipe(t *testing.T) {
	for _, s := range samples(t) {
		if s.name != "plain" {
			continue
		}
		if _, err := fmp4.NewReader(pipe{bytes.NewReader(s.file)}); !errors.Is(err, fmp4.ErrNotFragmented) {
			t.Errorf("with its moov at the end: %v", err)
		}
		begin := bytes.Index(s.file, []byte("moov")) - 4
		front := slices.Concat(s.file[:32], s.file[begin:], s.file[32:begin])
		if _, err := fmp4.NewReader(pipe{bytes.NewReader(front)}); !errors.Is(err, fmp4.ErrNotFragmented) {
			t.Errorf("with its moov at the front: %v", err)
		}
	}
}

func TestNoMP4(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":            "",
		"text":               "The quick brown fox jumps over the lazy dog, and over the next one.",
		"Matroska":           "\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1f\x42\x86\x81\x01",
		"a transport stream": "\x47\x40\x11\x10\x00\x42\xf0\x25\x00\x01\xc1\x00\x00\xff",
		"a fragment alone":   "\x00\x00\x00\x08moof\x00\x00\x00\x08mdat",
		"an empty moov":      "\x00\x00\x00\x08moov",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := fmp4.NewReader(strings.NewReader(file))
			if err == nil {
				t.Fatalf("its tracks are %v", r.Tracks())
			}
			if !errors.Is(err, cmaf.ErrMalformed) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
