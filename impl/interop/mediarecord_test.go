//go:build unix

package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// recordFilm has our command line record the film, and returns the process and
// the name of the file.
func recordFilm(t *testing.T, addr string, rest ...string) (recording *process, name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "recorded.mp4")
	args := append([]string{"record", "https://" + addr, film, "--insecure", "--json", "--timeout", "30s", "--reconnect", "5s", "--output", name}, rest...)
	return moq(t, args...), name
}

// recorded waits for the end of a recording, has ffmpeg decode it, and returns
// how many frames of each kind it has.
func recorded(t *testing.T, recording *process, name string) map[string]int {
	t.Helper()
	recording.succeed()
	decoder := need(t, "ffmpeg", getFFmpeg, "ffmpeg")
	if out, err := exec.Command(decoder, "-v", "error", "-xerror", "-i", name, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("decoding: %v\n%s", err, out)
	}
	return decodedFrames(t, name)
}

// TestRecordsOurs records what we publish: all pictures, and all sound but what
// is heard before the first of them.
func TestRecordsOurs(t *testing.T) {
	clipsIn(t, func(t *testing.T, c clip, container media.ContainerKind) {
		addr, _ := ourRelay(t, "")
		recording, name := recordFilm(t, addr)
		c.publish(t, addr, container)
		decoded := recorded(t, recording, name)
		for kind, want := range c.counts(t) {
			if missed := want.n - decoded[kind]; missed < 0 || missed > want.n/2 || missed > 0 && kind == "video" {
				t.Errorf("%s: %d frames of %d", kind, decoded[kind], want.n)
			}
		}
	})
}

// TestRecordsMoqCLI records what moq-cli imports, at the pace of its timestamps.
func TestRecordsMoqCLI(t *testing.T) {
	theirs := moqCLI(t)
	for format, flags := range map[string][]string{
		"ts": {"-f", "mpegts"}, "fmp4": {"-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			addr, _ := ourRelay(t, "")
			recording, name := recordFilm(t, addr)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			source := exec.Command(need(t, "ffmpeg", getFFmpeg, "ffmpeg"), append(append([]string{"-v", "error", "-re", "-i", h264AAC.path(t), "-c", "copy"}, flags...), "-")...)
			source.Stdout = w
			importer := exec.Command(theirs, "--connect", "http://"+addr, "import", "--broadcast", film, format)
			importer.Stdin = r
			run(t, importer)
			if err := source.Run(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // moq-cli does not wait until its last group has been sent
			_ = w.Close()
			decoded := recorded(t, recording, name)
			// moq-cli leaves when its input has ended, without the picture that it then finds whole.
			for kind, want := range h264AAC.counts(t) {
				if missed := want.n - decoded[kind]; missed < 0 || missed > want.n/2 || missed > 1 && kind == "video" {
					t.Errorf("%s: %d frames of %d", kind, decoded[kind], want.n)
				}
			}
		})
	}
}

// TestRecordsBrowser records a camera and a microphone of a browser, which encodes
// as many frames as the machine lets it.
func TestRecordsBrowser(t *testing.T) {
	addr, _ := ourRelay(t, "")
	browserPublishes(t, addr)
	recording, name := recordFilm(t, addr, "--duration", "4s")
	if decoded := recorded(t, recording, name); decoded["video"] < 20 || decoded["audio"] < 20 {
		t.Errorf("frames in four seconds: %v", decoded)
	}
}
