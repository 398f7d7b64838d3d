package fmp4_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// remux reads a file and writes its packets as another.
func remux(t testing.TB, in io.Reader, out io.Writer, config *fmp4.Config) {
	t.Helper()
	r, err := fmp4.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	w, err := fmp4.NewWriter(out, r.Tracks(), config)
	if err != nil {
		t.Fatal(err)
	}
	var p media.Packet
	for {
		err := r.ReadPacket(&p)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = w.WritePacket(&p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is written is read as what it was written of.
func TestRemux(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			var file bytes.Buffer
			remux(t, s.reader(s.file), &file, nil)
			r, err := fmp4.NewReader(pipe{&file})
			if err != nil {
				t.Fatal(err)
			}
			packets, err := readAll(r)
			if err != io.EOF {
				t.Fatal(err)
			}
			checkPackets(t, s, packets)
		})
	}
}

// ms is a number of milliseconds.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// vp8 and mp3 are tracks that need no description.
func vp8(id int) media.Track {
	return media.Track{ID: id, Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 16, Height: 16}}}
}

func mp3(id int) media.Track {
	return media.Track{ID: id, Audio: &media.AudioRendition{Codec: "mp3", SampleRate: 48000, Channels: 2}}
}

// write writes packets to a new file, and returns its boxes and its packets.
func write(t *testing.T, tracks []media.Track, config *fmp4.Config, packets ...media.Packet) (boxes string, read []media.Packet) {
	t.Helper()
	var file bytes.Buffer
	w, err := fmp4.NewWriter(&file, tracks, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.WritePacket(&p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return reread(t, file.Bytes())
}

// reread returns the boxes of a file, and its packets.
func reread(t *testing.T, file []byte) (boxes string, read []media.Packet) {
	t.Helper()
	for rest := file; len(rest) > 0; {
		x, next, err := cmaf.NextBox(rest)
		if err != nil {
			t.Fatal(err)
		}
		boxes, rest = boxes+" "+string(x.Name), next
	}
	r, err := fmp4.NewReader(pipe{bytes.NewReader(file)})
	if err != nil {
		t.Fatal(err)
	}
	read, err = readAll(r)
	if err != io.EOF {
		t.Fatal(err)
	}
	return strings.TrimSpace(boxes), read
}

// packet is a packet of n bytes.
func packet(track int, at time.Duration, n int, key bool) media.Packet {
	return media.Packet{Track: track, PTS: at, DTS: at, Key: key, Payload: bytes.Repeat([]byte{byte(track)}, n)}
}

func TestFragments(t *testing.T) {
	const header, fragment = "ftyp moov", " moof mdat"
	for name, c := range map[string]struct {
		config  *fmp4.Config
		tracks  []media.Track
		packets []media.Packet
		want    string
	}{
		"nothing": {tracks: []media.Track{vp8(1)}, want: header},
		"a key frame begins one": {tracks: []media.Track{vp8(1)}, want: header + strings.Repeat(fragment, 2),
			packets: []media.Packet{packet(1, 0, 9, true), packet(1, ms(40), 9, false), packet(1, ms(80), 9, true), packet(1, ms(120), 9, false)}},
		"each track has its own": {tracks: []media.Track{mp3(7), vp8(9)}, want: header + strings.Repeat(fragment, 3),
			packets: []media.Packet{packet(9, 0, 9, true), packet(7, 0, 9, true), packet(7, ms(24), 9, true), packet(9, ms(40), 9, true)}},
		"sound alone: one a second": {tracks: []media.Track{mp3(1)}, want: header + strings.Repeat(fragment, 2),
			packets: []media.Packet{packet(1, 0, 9, true), packet(1, ms(500), 9, true), packet(1, ms(999), 9, true), packet(1, ms(1000), 9, true)}},
		"a long group of pictures": {tracks: []media.Track{vp8(1)}, want: header + strings.Repeat(fragment, 2),
			packets: []media.Packet{packet(1, 0, 9, true), packet(1, ms(9999), 9, false), packet(1, ms(10000), 9, false)}},
		"a shorter bound": {tracks: []media.Track{vp8(1)}, want: header + strings.Repeat(fragment, 3), config: &fmp4.Config{FragmentDuration: 1},
			packets: []media.Packet{packet(1, 0, 9, true), packet(1, ms(1), 9, false), packet(1, ms(2), 9, false)}},
		"a bound of bytes": {tracks: []media.Track{vp8(1)}, want: header + strings.Repeat(fragment, 2), config: &fmp4.Config{FragmentBytes: 2400},
			packets: []media.Packet{packet(1, 0, 1000, true), packet(1, ms(1), 1000, false), packet(1, ms(2), 1000, false)}},
		"packets beyond the bound": {tracks: []media.Track{vp8(1)}, want: header + strings.Repeat(fragment, 2), config: &fmp4.Config{FragmentBytes: 1},
			packets: []media.Packet{packet(1, 0, 1000, true), packet(1, ms(1), 1000, false)}},
	} {
		t.Run(name, func(t *testing.T) {
			boxes, read := write(t, c.tracks, c.config, c.packets...)
			if boxes != c.want {
				t.Errorf("the file is %s; expected %s", boxes, c.want)
			}
			if len(read) != len(c.packets) {
				t.Errorf("%d packets are read; expected %d", len(read), len(c.packets))
			}
		})
	}
}

// A packet lasts until the next, also across fragments; the last one as it says,
// or as the one before.
func TestDurations(t *testing.T) {
	last := packet(1, ms(400), 9, false)
	for name, want := range map[string]time.Duration{"the last tells": ms(70), "the last does not tell": ms(100)} {
		if name == "the last tells" {
			last.Duration = ms(70)
		} else {
			last.Duration = 0
		}
		t.Run(name, func(t *testing.T) {
			_, read := write(t, []media.Track{vp8(1)}, nil,
				packet(1, 0, 9, true), packet(1, ms(40), 9, false), packet(1, ms(300), 9, true), last)
			var got []time.Duration
			for _, p := range read {
				got = append(got, p.Duration)
			}
			if expected := []time.Duration{ms(40), ms(260), ms(100), want}; !slices.Equal(got, expected) {
				t.Errorf("the packets last %v; expected %v", got, expected)
			}
		})
	}
}

// Files may begin anywhere, and what is decoded before 0 stays before it.
func TestBeginnings(t *testing.T) {
	for _, begin := range []time.Duration{-ms(120), 0, ms(90), 400 * 24 * time.Hour} {
		pictures := packet(1, begin, 9, true)
		pictures.PTS += ms(80)
		_, read := write(t, []media.Track{vp8(1), mp3(2)}, nil, pictures, packet(2, begin+ms(30), 9, true))
		if len(read) != 2 || read[0].DTS != begin || read[0].PTS != begin+ms(80) || read[1].DTS != begin+ms(30) {
			t.Errorf("a file that begins at %v has %+v", begin, read)
		}
	}
}

// A packet that cannot be taken ends the file, and what came before it is there.
func TestPacketsThatAreRefused(t *testing.T) {
	for name, p := range map[string]media.Packet{
		"of another track":  packet(3, ms(10), 9, true),
		"without a payload": packet(1, ms(10), 0, true),
		"decoded earlier":   packet(1, -ms(10), 9, false),
		"with another form of sound": {Track: 2, PTS: ms(10), DTS: ms(10), Key: true,
			Payload: []byte("sound"), Config: []byte{0x11, 0x88}},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			w, err := fmp4.NewWriter(&file, []media.Track{vp8(1), mp3(2)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, good := range []media.Packet{packet(1, 0, 9, true), packet(2, 0, 9, true)} {
				if err := w.WritePacket(&good); err != nil {
					t.Fatal(err)
				}
			}
			first := w.WritePacket(&p)
			if again := w.WritePacket(&p); first == nil || again != first {
				t.Errorf("the errors are %v and %v", first, again)
			}
			if sound := p.Config != nil; errors.Is(first, fmp4.ErrNewFile) != sound {
				t.Errorf("the error is %v", first)
			}
			if err := w.Close(); !errors.Is(err, first) {
				t.Errorf("Close returns %v", err)
			}
			if _, read := reread(t, file.Bytes()); len(read) != 2 {
				t.Errorf("%d packets are in the file; expected 2", len(read))
			}
		})
	}
}

// A full disk ends the writer, and nothing more is written.
func TestFullDisk(t *testing.T) {
	disk := &full{room: 1000}
	w, err := fmp4.NewWriter(disk, []media.Track{vp8(1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		p := packet(1, ms(40*i), 100, true)
		if err = w.WritePacket(&p); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Fatalf("the error is %v", err)
	}
	writes := disk.writes
	if err := w.Close(); !errors.Is(err, errFull) || disk.writes != writes {
		t.Errorf("Close returns %v after %d more writes", err, disk.writes-writes)
	}
}

var errFull = errors.New("no space left")

type full struct{ room, writes int }

func (f *full) Write(b []byte) (int, error) {
	f.writes++
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		tracks []media.Track
		config fmp4.Config
	}{
		"no track":              {},
		"one ID twice":          {tracks: []media.Track{vp8(1), mp3(1)}},
		"a track of nothing":    {tracks: []media.Track{{ID: 1}}},
		"a codec without a box": {tracks: []media.Track{{Video: &media.VideoRendition{Codec: "theora"}}}},
		"a long brand":          {tracks: []media.Track{vp8(1)}, config: fmp4.Config{Brand: "isom6"}},
	} {
		t.Run(name, func(t *testing.T) {
			if w, err := fmp4.NewWriter(io.Discard, c.tracks, &c.config); err == nil || w != nil {
				t.Errorf("the writer is %v, and the error %v", w, err)
			}
		})
	}
}

// A change of pictures is told in the moov and in the packets.
func TestChangeOfPictures(t *testing.T) {
	file, first, second := changing(t)
	boxes, read := reread(t, file)
	if n := strings.Count(boxes, "moov"); n != 2 {
		t.Errorf("the file is %s", boxes)
	}
	if len(read) != len(first.packets)+len(second.packets) {
		t.Fatalf("%d packets are read; expected %d and %d", len(read), len(first.packets), len(second.packets))
	}
	for i, p := range read {
		if i != len(first.packets) {
			if p.Config != nil {
				t.Errorf("packet %d has the description %x", i, p.Config)
			}
			continue
		}
		if !bytes.Equal(p.Config, second.track.Video.Description) {
			t.Errorf("packet %d has the description %x; expected %x", i, p.Config, second.track.Video.Description)
		}
		if sets, ok := bytes.CutSuffix(p.Payload, second.packets[0].Payload); !ok || len(sets) < len(second.track.Video.Description)-20 {
			t.Errorf("there are no parameter sets before the key frame: %x", p.Payload[:64])
		}
	}
}

// A source is a track of pictures and its packets.
type source struct {
	track   media.Track
	packets []media.Packet
}

func pictures(t *testing.T, in io.Reader) (s source) {
	t.Helper()
	r, err := fmp4.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	s.track = r.Tracks()[0]
	packets, err := readAll(r)
	if err != io.EOF {
		t.Fatal(err)
	}
	for _, p := range packets {
		if p.Track == s.track.ID {
			s.packets = append(s.packets, p)
		}
	}
	return s
}

// changing writes a file whose pictures change, from one sample to another.
func changing(t *testing.T) (file []byte, first, second source) {
	t.Helper()
	for _, s := range samples(t) {
		if s.name == "h264_aac" {
			first = pictures(t, s.reader(s.file))
		} else if s.name == "h264b_opus" {
			second = pictures(t, s.reader(s.file))
		}
	}
	return join(t, first, second), first, second
}

// join writes the pictures of two sources, one after the other.
func join(t *testing.T, first, second source) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := fmp4.NewWriter(&file, []media.Track{first.track}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range first.packets {
		if err := w.WritePacket(&p); err != nil {
			t.Fatal(err)
		}
	}
	last := first.packets[len(first.packets)-1]
	for i, p := range second.packets {
		p.DTS, p.PTS = p.DTS+last.DTS+ms(100), p.PTS+last.DTS+ms(100)
		p.Track = first.track.ID
		if i == 0 {
			p.Config = second.track.Video.Description
		}
		if err := w.WritePacket(&p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
