package cmaf_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// box builds a box of its parts: strings and byte slices as they are, numbers as
// 32 bits.
func box(name string, parts ...any) []byte {
	b := append(make([]byte, 4), name...)
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			b = append(b, part...)
		case []byte:
			b = append(b, part...)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(part))
		default:
			panic(part)
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// header is of a track of VP8 at 1000 ticks a second, whose samples last 10 ticks
// and have 3 bytes where a fragment does not say it.
func header(t *testing.T) *cmaf.Header {
	t.Helper()
	init, err := cmaf.Init(media.Track{Video: &media.VideoRendition{Codec: "vp8"}}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(init), "trex") + 4 + 4 + 4 + 4
	for _, v := range []uint32{10, 3, 0x10000} {
		binary.BigEndian.PutUint32(init[at:], v)
		at += 4
	}
	h, err := cmaf.ParseInit(init)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What a fragment does not say is in its tfhd, and then in the trex.
func TestParseFragment(t *testing.T) {
	h := header(t)
	const moofIsBase = 0x20000
	for name, c := range map[string]struct {
		trafs []any // of the moof
		mdat  string
		want  string
	}{
		"all defaults of the trex": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 100), box("trun", 0, 2))},
			mdat:  "abcdef", want: "100+10 abc, 110+10 def"},
		"defaults of the tfhd": {
			trafs: []any{box("traf", box("tfhd", moofIsBase|0x38, 1, 20, 2, 0), box("tfdt", 0, 100), box("trun", 0, 2))},
			mdat:  "abcd", want: "100+20 ab key, 120+20 cd key"},
		"flags of the first sample alone": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 0), box("trun", 4, 2, 0x2000000))},
			mdat:  "abcdef", want: "0+10 abc key, 10+10 def"},
		"all of each sample": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 1<<24, 0, 100), box("trun", 1<<24|0xf00, 2, 5, 1, 0, 7, 6, 2, 0x10000, -8))},
			mdat:  "abc", want: "100+5 a at 107 key, 105+6 bc at 97"},
		"two runs": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 0), box("trun", 0, 1), box("trun", 0, 1))},
			mdat:  "abcdef", want: "0+10 abc, 10+10 def"},
		"a gap before the data": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 0), box("trun", 1, 1, 8+16+8+16+16+20+8+2))},
			mdat:  "xxabc", want: "0+10 abc"},
		"where it lay in its file": {
			trafs: []any{box("traf", box("tfhd", 1, 1, 0, 5000), box("tfdt", 0, 0), box("trun", 1, 1, 8+16+8+24+16+20+8))},
			mdat:  "abc", want: "0+10 abc"},
		"behind the track before it": {
			trafs: []any{box("traf", box("tfhd", 0, 2), box("tfdt", 0, 0), box("trun", 0x200, 2, 1, 2)), box("traf", box("tfhd", 0, 1), box("tfdt", 0, 0), box("trun", 0, 1))},
			mdat:  "xxxabc", want: "0+10 abc"},
		"another track alone": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 9), box("tfdt", 0, 0), box("trun", 0, 1))},
			mdat:  "abc", want: "0+10 abc"},
		"samples without data": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 0), box("trun", 0x200, 3, 1, 0, 2))},
			mdat:  "abc", want: "0+10 a, 20+10 bc"},
		"billions of samples without data": {
			trafs: []any{box("traf", box("tfhd", moofIsBase|0x10, 1, 0), box("tfdt", 0, 0), box("trun", 0, -1), box("trun", 0x200, 1, 3))},
			mdat:  "abc", want: "42949672950+10 abc"},
		"a track of which there is nothing": {
			trafs: []any{box("traf", box("tfhd", moofIsBase, 1), box("tfdt", 0, 0)), box("traf", box("tfhd", moofIsBase, 2), box("tfdt", 0, 0))}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := slices.Concat(box("styp", "msdh"), box("moof", append([]any{box("mfhd", 0, 1)}, c.trafs...)...), box("mdat", c.mdat))
			if name == "a gap before the data" || name == "where it lay in its file" {
				b = b[12:] // offsets are from the moof, which is at the front then
			}
			var got []string
			if err := cmaf.ParseFragment(b, h, func(p *media.Packet) error {
				got = append(got, inShort(p))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("it holds %s; expected %s", strings.Join(got, ", "), c.want)
			}
		})
	}
}

// inShort is a packet as "decoded+duration payload", in milliseconds, then when it
// is shown, if that is another time, and whether it is a key frame.
func inShort(p *media.Packet) string {
	s := fmt.Sprintf("%d+%d %s", p.DTS.Milliseconds(), p.Duration.Milliseconds(), p.Payload)
	if p.PTS != p.DTS {
		s += fmt.Sprint(" at ", p.PTS.Milliseconds())
	}
	if p.Key {
		s += " key"
	}
	return s
}

func TestParseFragmentRefuses(t *testing.T) {
	h := header(t)
	run := func(parts ...any) []byte {
		return slices.Concat(box("moof", box("traf", box("tfhd", 0x20000, 1), box("tfdt", 0, 0), box("trun", parts...))), box("mdat", "abcdef"))
	}
	for name, b := range map[string][]byte{
		"nothing":                        nil,
		"no moof":                        box("mdat", "abc"),
		"no tfhd":                        slices.Concat(box("moof", box("traf", box("trun", 0, 1))), box("mdat", "abc")),
		"a tfhd that ends":               slices.Concat(box("moof", box("traf", box("tfhd", 8, 1), box("tfdt", 0, 0), box("trun", 0, 1))), box("mdat", "abc")),
		"no tfdt":                        slices.Concat(box("moof", box("traf", box("tfhd", 0, 1), box("trun", 0, 1))), box("mdat", "abc")),
		"a tfdt that ends":               slices.Concat(box("moof", box("traf", box("tfhd", 0, 1), box("tfdt", 1<<24, 0), box("trun", 0, 1))), box("mdat", "abc")),
		"a time of 500,000 years":        slices.Concat(box("moof", box("traf", box("tfhd", 0, 1), box("tfdt", 1<<24, 0x00ffffff, 0), box("trun", 0, 1))), box("mdat", "abc")),
		"a time beyond":                  slices.Concat(box("moof", box("traf", box("tfhd", 0, 1), box("tfdt", 1<<24, -1, -1), box("trun", 0, 1))), box("mdat", "abc")),
		"more samples than the run has":  run(0x100, 3, 1, 2),
		"billions of samples":            run(0, -1),
		"a sample before the data":       run(1, 1, -100),
		"a sample in the moof":           run(1, 1, 4),
		"a sample behind the data":       run(1, 1, 1000),
		"a sample that is not all there": run(0x200, 1, 7),
		"a position at the end of all":   slices.Concat(box("moof", box("traf", box("tfhd", 1, 1, 0x7fffffff, -1), box("tfdt", 0, 0), box("trun", 1, 1, 0x7fffffff))), box("mdat", "abc")),
		"a box longer than the rest":     {0, 0, 1, 0, 'm', 'o', 'o', 'f'},
	} {
		t.Run(name, func(t *testing.T) {
			err := cmaf.ParseFragment(b, h, func(*media.Packet) error { return nil })
			if !errors.Is(err, cmaf.ErrMalformed) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Samples that another description holds for are not taken for the first one's.
func TestParseFragmentOfAnotherDescription(t *testing.T) {
	b := slices.Concat(box("moof", box("traf", box("tfhd", 0x20002, 1, 2), box("tfdt", 0, 0), box("trun", 0, 1))), box("mdat", "abc"))
	if err := cmaf.ParseFragment(b, header(t), func(*media.Packet) error { return nil }); err == nil {
		t.Error("it is read")
	}
}

func TestParseFragmentEndsWithItsCaller(t *testing.T) {
	b := slices.Concat(box("moof", box("traf", box("tfhd", 0x20000, 1), box("tfdt", 0, 0), box("trun", 0, 2))), box("mdat", "abcdef"))
	calls, enough := 0, errors.New("enough")
	if err := cmaf.ParseFragment(b, header(t), func(*media.Packet) error { calls++; return enough }); err != enough || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestAppendFragmentRefuses(t *testing.T) {
	h := header(t)
	good := media.Packet{Payload: []byte("a")}
	for name, packets := range map[string][]media.Packet{
		"nothing":                {},
		"a time before 0":        {{DTS: -time.Second, Payload: []byte("a")}},
		"a packet of no bytes":   {good, {DTS: time.Second}},
		"times that go back":     {{DTS: time.Second, Payload: []byte("a")}, good},
		"a packet of 50 days":    {good, {DTS: 51 * 24 * time.Hour, Payload: []byte("a")}},
		"a picture that is late": {{PTS: 26 * 24 * time.Hour, Payload: []byte("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := cmaf.AppendFragment([]byte("before"), 1, h, packets); err == nil || string(b) != "before" {
				t.Errorf("the fragment is %q, and the error %v", b, err)
			}
		})
	}
}

// Fragments are written and read without allocations.
func TestFragmentsAllocateNothing(t *testing.T) {
	h := header(t)
	packets := []media.Packet{{Key: true, Payload: make([]byte, 100)}, {DTS: 40 * time.Millisecond, PTS: 80 * time.Millisecond, Payload: make([]byte, 100)}}
	room := make([]byte, 0, 1000)
	count := 0
	read := func(*media.Packet) error { count++; return nil }
	if n := testing.AllocsPerRun(100, func() {
		b, err := cmaf.AppendFragment(room, 1, h, packets)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmaf.ParseFragment(b, h, read); err != nil {
			t.Fatal(err)
		}
	}); n > 3 { // what escapes of a fragment: itself, the packet and the header's lookup
		t.Errorf("%v allocations for a fragment of two packets", n)
	}
}

func FuzzParseFragment(f *testing.F) {
	v := readVectors(f)
	for _, track := range v.Tracks {
		if track.Container == "cmaf" {
			small := slices.MinFunc(track.Frames, func(a, b frameVector) int { return len(a.Payload) - len(b.Payload) })
			f.Add(track.Init, small.Payload)
		}
	}
	f.Fuzz(func(t *testing.T, init, b []byte) {
		h, err := cmaf.ParseInit(init)
		if err != nil {
			return
		}
		var packets []media.Packet
		err = cmaf.ParseFragment(b, h, func(p *media.Packet) error {
			packets = append(packets, *p)
			return nil
		})
		if err != nil || len(packets) == 0 {
			return
		}
		// What is read can be written again, unless it cannot be said.
		again, err := cmaf.AppendFragment(nil, 1, h, packets)
		if err != nil {
			return
		}
		n := 0
		if err := cmaf.ParseFragment(again, h, func(p *media.Packet) error {
			if string(p.Payload) != string(packets[n].Payload) || p.DTS != packets[n].DTS || p.PTS != packets[n].PTS {
				t.Errorf("packet %d is %v %v, and was %v %v", n, p.DTS, p.PTS, packets[n].DTS, packets[n].PTS)
			}
			n++
			return nil
		}); err != nil || n != len(packets) {
			t.Errorf("%d packets of %d are read again: %v", n, len(packets), err)
		}
	})
}
