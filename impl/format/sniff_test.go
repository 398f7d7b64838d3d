package format_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format"
	"github.com/moqlite/moqlite/impl/format/fmp4"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func count(t testing.TB, r media.Reader) int {
	t.Helper()
	for n := 0; ; n++ {
		var p media.Packet
		switch err := r.ReadPacket(&p); {
		case errors.Is(err, io.EOF):
			return n
		case err != nil:
			t.Fatal(err)
		}
	}
}

// pipe hides that a source can be sought in.
func pipe(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }

// m2ts puts a time code before each packet of a transport stream.
func m2ts(b []byte) (out []byte) {
	for ; len(b) > 0; b = b[188:] {
		out = append(append(out, 0, 0, 0, 1), b[:188]...)
	}
	return out
}

func TestSniff(t *testing.T) {
	ts := file(t, "mpegts/testdata/h264_aac.ts")
	for _, test := range []struct {
		name   string
		b      []byte
		reader string
		tracks int
	}{
		{"MP4 of two tracks", file(t, "fmp4/testdata/h264_aac.mp4"), "*fmp4.Reader", 2},
		{"CMAF", file(t, "fmp4/testdata/h264b_opus.mp4"), "*fmp4.Reader", 2},
		{"AV1", file(t, "fmp4/testdata/av1.mp4"), "*fmp4.Reader", 1},
		{"TS", ts, "*mpegts.Reader", 2},
		{"TS with time codes", m2ts(ts), "*mpegts.Reader", 2},
		{"TS after garbage", append([]byte("what was before"), ts...), "*mpegts.Reader", 2},
		{"TS of sound", file(t, "mpegts/testdata/mp3.ts"), "*mpegts.Reader", 1},
		{"H.264", file(t, "annexb/testdata/b.264"), "*annexb.Reader", 1},
		{"H.265", file(t, "annexb/testdata/b.265"), "*annexb.Reader", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for kind, source := range map[string]io.Reader{
				"pipe": pipe(test.b), "a byte at a time": iotest.OneByteReader(bytes.NewReader(test.b)), "file": bytes.NewReader(test.b),
			} {
				r, err := format.Sniff(source)
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				if got := reflect.TypeOf(r).String(); got != test.reader || len(r.Tracks()) != test.tracks || count(t, r) == 0 {
					t.Errorf("%s: %s with %d tracks", kind, got, len(r.Tracks()))
				}
			}
		})
	}
}

// A plain MP4 is read from where it can be sought in, also from the midst of a
// file, and refused from elsewhere.
func TestSniffPlain(t *testing.T) {
	b := file(t, "fmp4/testdata/plain.mp4")
	r, err := format.Sniff(bytes.NewReader(b))
	if err != nil || count(t, r) == 0 {
		t.Errorf("a file: %v", err)
	}
	whole := bytes.NewReader(append([]byte("what was before"), b...))
	if _, err := whole.Seek(15, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if r, err = format.Sniff(whole); err != nil || count(t, r) == 0 {
		t.Errorf("the midst of a file: %v", err)
	}
	var unsupported *format.UnsupportedError
	if _, err = format.Sniff(pipe(b)); !errors.As(err, &unsupported) || unsupported.Format != "MP4" || !errors.Is(err, fmp4.ErrNotFragmented) {
		t.Errorf("a pipe: %v", err)
	}
	read, write, err := os.Pipe() // is an io.Seeker, and cannot be sought in
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	go func() {
		write.Write(b)
		write.Close()
	}()
	if _, err = format.Sniff(read); !errors.As(err, &unsupported) || unsupported.Format != "MP4" {
		t.Errorf("a pipe of the system: %v", err)
	}
}

func TestSniffUnsupported(t *testing.T) {
	for begins, want := range map[string]string{
		"1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104": "WebM",
		"1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b61": "Matroska",
		"4f6767530002000000000000":         "Ogg",
		"664c614300000022":                 "FLAC",
		"494433040000":                     "MP3",
		"464c5601050000":                   "FLV",
		"52494646a0860100574156456674":     "RIFF (WAVE)",
		"000001ba4400":                     "MPEG-PS",
		"000001b31600":                     "MPEG-2 video",
		"fff15040257ffc011855ae":           "AAC",
		"fffb54c40000091c":                 "MP3",
		"fffde0c4ecccbdcb":                 "MP2",
		"0b771ef84c402f84":                 "AC-3",
		"68656c6c6f20776f726c64":           "",
		"00000000000000000000000000000000": "",
		"ffd8ffe000104a46494600010101":     "",
		"000001e0000084":                   "",
	} {
		b, err := hex.DecodeString(begins)
		if err != nil {
			t.Fatal(err)
		}
		var unsupported *format.UnsupportedError
		_, err = format.Sniff(pipe(b))
		if !errors.As(err, &unsupported) || unsupported.Format != want || !bytes.HasPrefix(b, unsupported.Head) {
			t.Errorf("%s: %v, want %q", begins, err, want)
		}
		if want == "" && err != nil && !strings.Contains(err.Error(), begins[:8]) {
			t.Errorf("%s is not told: %v", begins, err)
		}
	}
	if _, err := format.Sniff(pipe(nil)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("nothing: %v", err)
	}
	broken := errors.New("unplugged")
	if _, err := format.Sniff(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
	if _, err := format.Sniff(pipe([]byte("\x00\x00\x00\x01\x09\xf0"))); err == nil {
		t.Error("a byte stream without a picture")
	}
}

func FuzzSniff(f *testing.F) {
	for _, name := range []string{"fmp4/testdata/h264_aac.mp4", "mpegts/testdata/h264_aac.ts", "annexb/testdata/b.265"} {
		f.Add(file(f, name)[:3000])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := format.Sniff(bytes.NewReader(b)); err == nil && (r == nil || len(r.Tracks()) == 0) {
			t.Error("neither tracks nor an error")
		}
	})
}
