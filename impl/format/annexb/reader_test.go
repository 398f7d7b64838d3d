package annexb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/annexb"
	"github.com/moqlite/moqlite/impl/format/internal/formattest"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, r io.Reader) *annexb.Reader {
	t.Helper()
	a, err := annexb.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func readAll(t testing.TB, r media.Reader) (packets []media.Packet) {
	t.Helper()
	for {
		var p media.Packet
		switch err := r.ReadPacket(&p); {
		case errors.Is(err, io.EOF):
			return packets
		case err != nil:
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
}

// Streams of ffmpeg with B-frames in pyramids, and with open groups: pictures
// are shown when ffmpeg shows them, though the stream has no times.
func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name, codec string
		rate        float64
		depth       int
	}{
		{"b.264", "avc3.64000a", 25, 2},
		{"b.265", "hev1.1.6.L30.90", 25, 2},
		{"c.265", "hev1.1.6.L30.90", 30000. / 1001, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want [][2]int64
			if err := json.Unmarshal(file(t, test.name+".packets.json"), &want); err != nil {
				t.Fatal(err)
			}
			b := file(t, test.name)
			r := open(t, bytes.NewReader(b))
			v := r.Tracks()[0].Video
			if v.Codec != test.codec || v.Framerate != test.rate || v.CodedSize != (media.Size{Width: 96, Height: 64}) || v.Description != nil {
				t.Errorf("track %+v", v)
			}
			packets := readAll(t, r)
			if len(packets) != len(want) {
				t.Fatalf("%d packets, want %d", len(packets), len(want))
			}
			var whole []byte
			for i, p := range packets {
				pts := time.Duration(want[i][0] * 100000 / 9)
				if (p.PTS-pts).Abs() > 20*time.Microsecond || p.Key != (want[i][1] == 1) {
					t.Errorf("packet %d: %v key %v, want %v", i, p.PTS, p.Key, want[i])
				}
				dts := time.Duration(float64(i-test.depth) * float64(time.Second) / test.rate)
				if (p.DTS-dts).Abs() > 1 || p.DTS > p.PTS || (p.Duration-time.Duration(float64(time.Second)/test.rate)).Abs() > 1 {
					t.Errorf("packet %d: decoded at %v, want %v; shown at %v for %v", i, p.DTS, dts, p.PTS, p.Duration)
				}
				whole = append(whole, p.Payload...)
			}
			if n := len(codec.AppendLengthPrefixed(nil, whole)); n != len(codec.AppendLengthPrefixed(nil, b)) && test.name == "b.264" {
				t.Errorf("%d bytes of NAL units", n)
			}
		})
	}
}

// A picture of several slices is one packet, however few bytes come at a time.
func TestSlices(t *testing.T) {
	b := file(t, "base.264")
	want := readAll(t, open(t, bytes.NewReader(b)))
	got := readAll(t, open(t, iotest.OneByteReader(bytes.NewReader(b))))
	if len(want) != 50 || len(got) != 50 {
		t.Fatalf("%d packets, %d", len(want), len(got))
	}
	for i := range want {
		if !bytes.Equal(got[i].Payload, want[i].Payload) || got[i].PTS != time.Duration(i)*40*time.Millisecond || got[i].DTS != got[i].PTS {
			t.Errorf("packet %d: %d bytes at %v", i, len(got[i].Payload), got[i].PTS)
		}
	}
}

// Of a live source, a picture is given as soon as the next one begins.
func TestLive(t *testing.T) {
	packets := readAll(t, open(t, bytes.NewReader(file(t, "base.264"))))
	ahead := append(bytes.Clone(packets[0].Payload), packets[1].Payload[:100]...)
	r := open(t, io.MultiReader(bytes.NewReader(ahead), iotest.ErrReader(errors.New("asked for more"))))
	var p media.Packet
	if err := r.ReadPacket(&p); err != nil || !bytes.Equal(p.Payload, packets[0].Payload) {
		t.Errorf("%d bytes: %v", len(p.Payload), err)
	}
}

// A stream that one comes into begins at its next key frame; parameter sets that
// it has only once are repeated.
func TestKeyFrames(t *testing.T) {
	packets := readAll(t, open(t, bytes.NewReader(file(t, "base.264"))))
	var stream []byte
	for _, p := range packets[20:] {
		stream = append(stream, p.Payload...)
	}
	var bare []byte
	for unit := range codec.AnnexB(packets[0].Payload) {
		if codec.AVC.Slice(unit) {
			bare = codec.AppendUnit(bare, unit)
		}
	}
	stream = append(stream, bare...)
	got := readAll(t, open(t, bytes.NewReader(stream)))
	if len(got) != 26 || !got[0].Key || got[0].PTS != 0 || !got[25].Key {
		t.Fatalf("%d packets", len(got))
	}
	for _, p := range []media.Packet{got[0], got[25]} {
		if sets := codec.AVC.ParameterSets(p.Payload); !sets.Complete(codec.AVC) {
			t.Error("a key frame without parameter sets")
		}
	}
}

// Pictures that refer to what came before the first key frame cannot be decoded.
func TestOrphans(t *testing.T) {
	packets := readAll(t, open(t, bytes.NewReader(file(t, "b.265"))))
	second := 1 + slices.IndexFunc(packets[1:], func(p media.Packet) bool { return p.Key })
	var stream []byte
	orphans := 0
	for _, p := range packets[second:] {
		stream = append(stream, p.Payload...)
		if p.PTS < packets[second].PTS {
			orphans++
		}
	}
	got := readAll(t, open(t, bytes.NewReader(stream)))
	if orphans == 0 || len(got) != len(packets)-second-orphans || got[0].PTS != 0 || !got[0].Key {
		t.Errorf("%d packets of %d, with %d that come before the key frame", len(got), len(packets)-second, orphans)
	}
}

func TestFramerate(t *testing.T) {
	// Without its VUI, the last flag of the SPS, a stream tells no rate.
	b := file(t, "base.264")
	var stream []byte
	for unit := range codec.AnnexB(b) {
		if codec.AVC.SPS(unit) {
			unit = bitString(0x67, "01000010 11000000 00001010 1 1 011 010 0 00110 00100 1 1 0 0") // 96 by 64
		}
		stream = codec.AppendUnit(stream, unit)
	}
	for _, rate := range []float64{0, 50} {
		r, err := annexb.NewReaderConfig(bytes.NewReader(stream), &annexb.Config{Framerate: rate})
		if err != nil {
			t.Fatal(err)
		}
		if rate == 0 {
			rate = 25
		}
		packets := readAll(t, r)
		if got := r.Tracks()[0].Video.Framerate; got != rate || packets[49].PTS != time.Duration(49*float64(time.Second)/rate) {
			t.Errorf("%v a second, the last at %v; want %v", got, packets[49].PTS, rate)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "zeros": make([]byte, 200000), "text": []byte(strings.Repeat("hello ", 1000)),
		"no key frame": file(t, "base.264")[:60],
	} {
		if _, err := annexb.NewReader(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "no key frame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("unplugged")
	if _, err := annexb.NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
	if _, err := annexb.NewReader(endless{}); err == nil {
		t.Error("a source without end was read without end")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, slices.Repeat([]byte{7}, len(b))), nil }

func opens(r io.Reader) (media.Reader, error) {
	a, err := annexb.NewReader(r)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func TestMutations(t *testing.T) {
	for _, name := range []string{"b.264", "b.265", "base.264"} {
		t.Run(name, func(t *testing.T) { formattest.Garbage(t, opens, file(t, name)) })
	}
}

func TestMemory(t *testing.T) {
	for _, name := range []string{"b.264", "b.265", "base.264"} {
		b := file(t, name)
		t.Run(name, func(t *testing.T) { formattest.Memory(t, opens, bytes.Repeat(b, 1<<19/len(b))) })
	}
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"b.264", "b.265", "base.264"} {
		f.Add(file(f, name)[:6000])
	}
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = formattest.Read(t, opens, b) })
}

// One operation is one packet.
func BenchmarkRead(b *testing.B) {
	source := bytes.Repeat(file(b, "b.264"), 50)
	b.SetBytes(int64(len(source) / 2500))
	b.ReportAllocs()
	var p media.Packet
	for n := 0; n < b.N; {
		r := open(b, bytes.NewReader(source))
		for r.ReadPacket(&p) == nil {
			n++
		}
	}
}
