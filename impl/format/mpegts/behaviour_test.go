package mpegts_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/mpegts"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

const typeAVC, typeADTS, typeAC3 = 0x1b, 0x0f, 0x81

var (
	video = announced{pid: videoPID, streamType: typeAVC}
	audio = announced{pid: audioPID, streamType: typeADTS}
)

// units returns a key frame and a delta frame of the sample, and a frame of its
// sound with an ADTS header.
func units(t testing.TB) (key, delta, sound []byte) {
	r := open(t, sample(t))
	for _, p := range readAll(t, r) {
		switch {
		case p.Track == r.Tracks()[1].ID:
			sound = adtsFrame(p.Payload, 0x4c)
		case p.Key:
			key = p.Payload
		default:
			delta = p.Payload
		}
	}
	return key, delta, sound
}

// adtsFrame puts a header before a frame; rate is the byte with its rate.
func adtsFrame(raw []byte, rate byte) []byte {
	n := 7 + len(raw)
	return append([]byte{0xff, 0xf1, rate, 0x40 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1f, 0xfc}, raw...)
}

func only(packets []media.Packet, track int) (list []media.Packet) {
	for _, p := range packets {
		if p.Track == track {
			list = append(list, p)
		}
	}
	return list
}

// Five days: the times of a stream wrap five times, also within a picture and
// between sound and picture, and go on without a step.
func TestTimesWrap(t *testing.T) {
	key, _, sound := units(t)
	var m muxer
	m.tables(video, audio)
	const step = 10 * 60 * 90000
	first := int64(1<<33 - 3*step/2)
	for i := range int64(5 * 24 * 6) {
		m.pes(videoPID, first+i*step+7200, first+i*step, false, key)
		m.pes(audioPID, first+i*step+100, -1, true, sound)
	}
	packets := readAll(t, open(t, m.b))
	pictures, sounds := only(packets, videoPID), only(packets, audioPID)
	if len(pictures) != 720 || len(sounds) != 720 {
		t.Fatalf("%d pictures, %d frames of sound", len(pictures), len(sounds))
	}
	for i := range pictures {
		at := time.Duration(i) * 10 * time.Minute
		if got := pictures[i].DTS - pictures[0].DTS; got != at {
			t.Fatalf("picture %d: %v, want %v", i, got, at)
		}
		if got := pictures[i].PTS - pictures[i].DTS; got != 80*time.Millisecond {
			t.Fatalf("picture %d is shown %v after it is decoded", i, got)
		}
		if got := (sounds[i].PTS - sounds[0].PTS - at).Abs(); got > 1 {
			t.Fatalf("sound %d: off by %v", i, got)
		}
	}
}

// Frames of sound may begin anywhere in PES packets, and end in later ones.
func TestSoundAcrossPackets(t *testing.T) {
	_, _, sound := units(t)
	stream := bytes.Repeat(sound, 40)
	var m muxer
	m.tables(audio)
	const size = 250
	for at := 0; at < len(stream); at += size {
		begins := (at + len(sound) - 1) / len(sound) // the first frame that begins in it
		m.pes(audioPID, 90000+int64(begins)*1920, -1, at%3 != 0, stream[at:min(at+size, len(stream))])
	}
	r := open(t, m.b)
	packets := readAll(t, r)
	if len(packets) != 40 || r.Damage() != (mpegts.Damage{}) {
		t.Fatalf("%d frames, damage %+v", len(packets), r.Damage())
	}
	for i, p := range packets {
		want := time.Second + time.Duration(i)*1024*time.Second/48000
		if (p.PTS-want).Abs() > 1 || !bytes.Equal(p.Payload, sound[7:]) || !p.Key {
			t.Errorf("frame %d: %v, want %v", i, p.PTS, want)
		}
	}
}

// A reader that comes in the midst of a stream begins at the next key frame,
// with the sound that belongs to it.
func TestBeginsAtKeyFrame(t *testing.T) {
	key, delta, sound := units(t)
	var m muxer
	m.tables(video, audio)
	for i := range int64(30) {
		unit := delta
		if i == 10 || i == 20 {
			unit = key
		}
		m.pes(videoPID, 90000+i*3600, -1, false, unit)
		m.pes(audioPID, 90000+(i-3)*3600, -1, true, sound) // sound comes late
	}
	r := open(t, m.b)
	packets := readAll(t, r)
	pictures, sounds := only(packets, videoPID), only(packets, audioPID)
	start := time.Second + 400*time.Millisecond
	if len(pictures) != 20 || !pictures[0].Key || pictures[0].PTS != start {
		t.Errorf("%d pictures, the first at %v, key %v", len(pictures), pictures[0].PTS, pictures[0].Key)
	}
	if len(sounds) != 17 || sounds[0].PTS != start {
		t.Errorf("%d frames of sound, the first at %v", len(sounds), sounds[0].PTS)
	}
}

// A track that is announced and silent keeps nobody waiting.
func TestSilentTrack(t *testing.T) {
	key, delta, _ := units(t)
	for name, silent := range map[string]announced{
		"AAC":  audio,
		"AC-3": {pid: audioPID, streamType: typeAC3},
	} {
		t.Run(name, func(t *testing.T) {
			var m muxer
			m.tables(video, silent)
			for i := range int64(500) {
				unit := delta
				if i%25 == 0 {
					unit = key
				}
				m.pes(videoPID, i*3600, -1, false, unit)
			}
			source := bytes.NewReader(m.b)
			r, err := mpegts.NewReader(source)
			if err != nil {
				t.Fatal(err)
			}
			if read := int(source.Size()) - source.Len(); read > len(m.b)/2 {
				t.Errorf("it read %d bytes of 20 s, which are %d, to know its tracks", read, len(m.b))
			}
			if len(r.Tracks()) != 1 || len(r.Ignored()) != 1 || !strings.HasPrefix(r.Ignored()[0].Error(), name+" (PID 0x102): silent") {
				t.Errorf("tracks %+v, left out %q", r.Tracks(), r.Ignored())
			}
			var p media.Packet
			for i := range 50 {
				if err := r.ReadPacket(&p); err != nil || p.PTS != time.Duration(i)*40*time.Millisecond {
					t.Fatalf("picture %d: %v at %v", i, err, p.PTS)
				}
			}
		})
	}
}

// Whatever lies between packets is skipped, and told.
func TestGarbage(t *testing.T) {
	b := sample(t)
	want := readAll(t, open(t, b))
	garbage := bytes.Repeat([]byte{0x47, 1, 2, 0x47, 3}, 1001)
	at := 50 * 188
	r := open(t, slices.Concat(garbage, b[:at], garbage, b[at:], garbage[:777]))
	got := readAll(t, r)
	if len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
	}
	if d := r.Damage(); d.Skipped == 0 || d.Dropped != 0 || d.Lost != 0 {
		t.Errorf("damage %+v", d)
	}
}

func TestLostPackets(t *testing.T) {
	key, delta, sound := units(t)
	var m muxer
	m.tables(video, audio)
	var starts []int
	for i := range int64(20) {
		unit := delta
		if i%10 == 0 {
			unit = key
		}
		starts = append(starts, len(m.b))
		m.pes(videoPID, i*3600, -1, false, unit)
		m.pes(audioPID, i*3600, -1, true, slices.Concat(sound, sound))
	}
	remove := func(n int) []byte { // the second packet of picture n
		at := starts[n] + 188
		return slices.Concat(m.b[:at], m.b[at+188:])
	}
	for name, test := range map[string]struct{ lost, pictures int }{
		"of a delta frame":               {lost: 3, pictures: 19},
		"of a key frame, up to the next": {lost: 0, pictures: 10},
		"of a key frame, up to the end":  {lost: 10, pictures: 10},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, remove(test.lost))
			packets := readAll(t, r)
			if n := len(only(packets, videoPID)); n != test.pictures {
				t.Errorf("%d pictures, want %d", n, test.pictures)
			}
			if d := r.Damage(); d.Lost != 1 || d.Dropped == 0 || d.Skipped != 0 {
				t.Errorf("damage %+v", d)
			}
		})
	}
	t.Run("of sound", func(t *testing.T) {
		at := starts[6] - 188 // the end of the sound before
		r := open(t, slices.Concat(m.b[:at], m.b[at+188:]))
		packets := readAll(t, r)
		if n := len(only(packets, audioPID)); n < 38 || n > 39 {
			t.Errorf("%d frames of sound", n)
		}
		for i, p := range only(packets, audioPID) {
			if !bytes.Equal(p.Payload, sound[7:]) {
				t.Errorf("frame %d is not as it was", i)
			}
		}
	})
}

func TestStrides(t *testing.T) {
	key, _, _ := units(t)
	for _, stride := range []int{188, 192, 204} {
		m := muxer{stride: stride}
		m.tables(video)
		for i := range int64(10) {
			m.pes(videoPID, i*3600, -1, false, key)
		}
		r := open(t, m.b)
		if n := len(readAll(t, r)); n != 10 || r.Damage() != (mpegts.Damage{}) {
			t.Errorf("packets of %d bytes: %d pictures, damage %+v", stride, n, r.Damage())
		}
	}
}

// Every key frame has its parameter sets, behind its delimiter, also where the
// stream has them only once.
func TestParameterSetsAreRepeated(t *testing.T) {
	key, _, _ := units(t)
	bare := []byte{0, 0, 0, 1, 9, 0xf0}
	for unit := range codec.AnnexB(key) {
		if codec.AVC.Slice(unit) {
			bare = codec.AppendUnit(bare, unit)
		}
	}
	var m muxer
	m.tables(video)
	m.pes(videoPID, 0, -1, false, bare) // nothing can be done with it yet
	m.pes(videoPID, 3600, -1, false, key)
	m.pes(videoPID, 7200, -1, false, bare)
	packets := readAll(t, open(t, m.b))
	if len(packets) != 2 {
		t.Fatalf("%d packets", len(packets))
	}
	if !bytes.Equal(packets[0].Payload, key) {
		t.Error("a key frame that has all is changed")
	}
	var kinds []byte
	for unit := range codec.AnnexB(packets[1].Payload) {
		kinds = append(kinds, unit[0]&31)
	}
	if string(kinds) != "\x09\x07\x08\x05" {
		t.Errorf("units %v", kinds)
	}
}

// Parameter sets that are cut off are not those of the stream.
func TestBrokenParameterSets(t *testing.T) {
	key, _, _ := units(t)
	var bare []byte
	for unit := range codec.AnnexB(key) {
		if codec.AVC.Slice(unit) {
			bare = codec.AppendUnit(bare, unit)
		}
	}
	long := codec.AppendUnit(nil, append([]byte{6, 5, 150}, bytes.Repeat([]byte{7}, 150)...))
	var m muxer
	m.tables(video)
	m.pes(videoPID, 0, -1, false, key)
	at := len(m.b) + 188 // in the midst of the SPS
	m.pes(videoPID, 3600, -1, false, append(long, key...))
	m.pes(videoPID, 7200, -1, false, bare)
	packets := readAll(t, open(t, slices.Concat(m.b[:at], m.b[at+188:])))
	if len(packets) != 2 {
		t.Fatalf("%d packets", len(packets))
	}
	want := codec.AVC.ParameterSets(key)
	if got := codec.AVC.ParameterSets(packets[1].Payload); len(got.SPS) != 1 || len(got.PPS) != 1 || !bytes.Equal(got.SPS[0], want.SPS[0]) {
		t.Errorf("parameter sets %x, want %x", got, want)
	}
}

// A picture may lie in several PES packets, of which the first has its time; a
// picture may also have none.
func TestPicturesWithoutTimes(t *testing.T) {
	key, delta, _ := units(t)
	var m muxer
	m.tables(video)
	m.pes(videoPID, 90000, 86400, false, key)
	m.pes(videoPID, 93600, 90000, false, delta[:100])
	m.pes(videoPID, -1, -1, false, delta[100:])
	m.pes(videoPID, -1, -1, false, delta)
	m.pes(videoPID, 100800, 97200, false, delta)
	packets := readAll(t, open(t, m.b))
	if len(packets) != 4 || !bytes.Equal(packets[1].Payload, delta) {
		t.Fatalf("%d packets", len(packets))
	}
	for i, p := range packets {
		if want := 960*time.Millisecond + time.Duration(i)*40*time.Millisecond; p.DTS != want || i != 2 && p.PTS != want+40*time.Millisecond {
			t.Errorf("picture %d: decoded at %v, shown at %v", i, p.DTS, p.PTS)
		}
	}
}

// Files that were joined are read without a loss: their counters and times begin
// anew.
func TestJoined(t *testing.T) {
	b := sample(t)
	n := len(readAll(t, open(t, b)))
	r := open(t, slices.Concat(b, b, b))
	packets := readAll(t, r)
	if d := r.Damage(); len(packets) != 3*n || d != (mpegts.Damage{}) {
		t.Errorf("%d packets of %d, damage %+v", len(packets), 3*n, d)
	}
	for i, p := range packets {
		if p.PTS != packets[i%n].PTS || p.Duration <= 0 {
			t.Errorf("packet %d: at %v for %v", i, p.PTS, p.Duration)
		}
	}
}

// A key frame that cannot be given has nothing behind it.
func TestKeyFrameWithoutTime(t *testing.T) {
	key, delta, _ := units(t)
	var m muxer
	m.tables(video)
	m.pes(videoPID, -1, -1, false, key)
	m.pes(videoPID, 3600, -1, false, delta)
	m.pes(videoPID, 7200, -1, false, key)
	if packets := readAll(t, open(t, m.b)); len(packets) != 1 || !packets[0].Key {
		t.Errorf("%d packets", len(packets))
	}
}

// A program may move its tracks to other PIDs.
func TestTracksMove(t *testing.T) {
	key, _, sound := units(t)
	var m muxer
	m.tables(video, audio)
	for i := range int64(20) {
		picture, voice := videoPID, audioPID
		if i >= 10 {
			voice += 0x10
		}
		if i == 10 {
			m.tables(video, announced{pid: voice, streamType: typeADTS})
		}
		m.pes(picture, i*3600, -1, false, key)
		m.pes(voice, i*3600, -1, true, sound)
	}
	packets := readAll(t, open(t, m.b))
	if a, v := len(only(packets, audioPID)), len(only(packets, videoPID)); a != 20 || v != 20 {
		t.Errorf("%d frames of sound, %d pictures", a, v)
	}
}

// Frames of E-AC-3 that add channels to the one before are of its packet.
func TestDependentFrames(t *testing.T) {
	frame := append([]byte{0x0b, 0x77, 0x00, 0xcf, 0x72, 0x87, 0xc0, 0x00}, make([]byte, 408)...)
	dependent := bytes.Clone(frame)
	dependent[2] |= 0x40
	var m muxer
	m.tables(announced{pid: audioPID, streamType: 0x87})
	m.pes(audioPID, 0, -1, true, bytes.Repeat(slices.Concat(frame, dependent), 3))
	packets := readAll(t, open(t, m.b))
	if len(packets) != 3 || len(packets[2].Payload) != 832 || packets[2].PTS.Round(time.Microsecond) != 69660*time.Microsecond {
		t.Errorf("%d packets", len(packets))
	}
}

// A stream that changes its sound says so in the packet from which that holds.
func TestSoundChanges(t *testing.T) {
	_, _, sound := units(t)
	other := adtsFrame(sound[7:], 0x50) // 44100
	var m muxer
	m.tables(audio)
	m.pes(audioPID, 0, -1, true, slices.Concat(sound, sound, other, other))
	packets := readAll(t, open(t, m.b))
	if len(packets) != 4 {
		t.Fatalf("%d packets", len(packets))
	}
	for i, p := range packets {
		if want := ""; i == 2 {
			if want = "\x12\x08"; string(p.Config) != want {
				t.Errorf("packet %d: configuration %x, want %x", i, p.Config, want)
			}
		} else if p.Config != nil {
			t.Errorf("packet %d: configuration %x", i, p.Config)
		}
	}
	want := 2*1024*time.Second/48000 + 1024*time.Second/44100
	if got := packets[3].PTS; (got - want).Abs() > 2 {
		t.Errorf("the last at %v, want %v", got, want)
	}
}

// Without IDR pictures a stream begins at its second recovery point.
func TestRecoveryPoints(t *testing.T) {
	key, delta, _ := units(t)
	intra := []byte{0, 0, 0, 1, 9, 0xf0}
	for unit := range codec.AnnexB(key) {
		if codec.AVC.ParameterSet(unit) {
			intra = codec.AppendUnit(intra, unit)
		}
	}
	intra = codec.AppendUnit(intra, []byte{6, 6, 1, 0x84, 0x80})
	intra = append(intra, delta...)
	var m muxer
	m.tables(video)
	for i := range int64(20) {
		unit := delta
		if i%5 == 0 {
			unit = intra
		}
		m.pes(videoPID, i*3600, -1, false, unit)
	}
	packets := readAll(t, open(t, m.b))
	if len(packets) != 15 || !packets[0].Key || packets[1].Key || !packets[5].Key {
		t.Errorf("%d packets", len(packets))
	}
}

func TestRefused(t *testing.T) {
	var nothing, mpeg2, keyless muxer
	nothing.tables()
	mpeg2.tables(announced{pid: videoPID, streamType: 2})
	_, delta, _ := units(t)
	keyless.tables(video)
	for i := range int64(1000) {
		keyless.pes(videoPID, i*3600, -1, false, delta)
	}
	scrambled := bytes.Clone(keyless.b)
	for at := 2 * 188; at < len(scrambled); at += 188 {
		scrambled[at+3] |= 0x80
	}
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"scrambled":    {scrambled, "H.264 (PID 0x101): scrambled"},
		"nothing":      {nil, "no packets of a transport stream"},
		"zeros":        {make([]byte, 100000), "no packets of a transport stream"},
		"no program":   {bytes.Repeat(append([]byte{0x47, 0x1f, 0xff, 0x10}, make([]byte, 184)...), 100), "no program"},
		"no streams":   {nothing.b, "no program"},
		"MPEG-2":       {mpeg2.b, "MPEG-2 video (PID 0x101): not supported"},
		"no key frame": {keyless.b, "H.264 (PID 0x101): no key frame"},
	} {
		if _, err := mpegts.NewReader(bytes.NewReader(test.b)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := mpegts.NewReader(endless{}); err == nil || !strings.Contains(err.Error(), "no packets of a transport stream") {
		t.Errorf("a source without end: %v", err)
	}
	broken := errors.New("unplugged")
	if _, err := mpegts.NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// The error of a source comes after what was read before it, and stays.
func TestSourceFails(t *testing.T) {
	broken := errors.New("unplugged")
	r, err := mpegts.NewReader(io.MultiReader(bytes.NewReader(sample(t)), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	var p media.Packet
	n := 0
	for ; err == nil; n++ {
		err = r.ReadPacket(&p)
	}
	if again := r.ReadPacket(&p); !errors.Is(err, broken) || !errors.Is(again, broken) || n != len(readAll(t, open(t, sample(t))))+1 {
		t.Errorf("after %d packets: %v, then %v", n, err, again)
	}
}
