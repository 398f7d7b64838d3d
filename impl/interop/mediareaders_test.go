//go:build unix

package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api/media"
)

// clipsIn calls f, in parallel, with each clip that others read, in each
// container; those of each change are one container for each clip.
func clipsIn(t *testing.T, f func(t *testing.T, c clip, container media.ContainerKind)) {
	for i, c := range []clip{h264AAC, tsFile, h264Opus, vp9Opus, av1} {
		for j, k := range containers {
			if !thorough && (i+j)%len(containers) != 0 {
				continue
			}
			t.Run(c.name+" as "+k.String(), func(t *testing.T) {
				t.Parallel()
				f(t, c, k)
			})
		}
	}
}

// TestMoqCLIRecords has moq-cli make a file of what we publish, and ffmpeg
// decode every frame of it. Sound that was sent before moq-cli had read the
// catalog is not in it, since it begins with the newest group.
func TestMoqCLIRecords(t *testing.T) {
	theirs := moqCLI(t)
	decoder := need(t, "ffmpeg", getFFmpeg, "ffmpeg")
	clipsIn(t, func(t *testing.T, c clip, container media.ContainerKind) {
		addr, _ := ourRelay(t, "")
		c.publish(t, addr, container)
		name := filepath.Join(t.TempDir(), "film.mp4")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		ctx, cancel := context.WithTimeout(t.Context(), limit/2)
		defer cancel()
		export := exec.CommandContext(ctx, theirs, "--connect", "http://"+addr, "export", "--broadcast", film, "fmp4", "--max-age", "10s")
		var complaints strings.Builder
		export.Stdout, export.Stderr = file, &complaints
		if err := export.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", export.Args, err, complaints.String())
		}
		if out, err := exec.Command(decoder, "-v", "error", "-xerror", "-i", name, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("decoding: %v\n%s", err, out)
		}
		decoded := decodedFrames(t, name)
		for kind, want := range c.counts(t) {
			if missed := want.n - decoded[kind]; missed < 0 || missed > want.n/2 || missed > 0 && kind == "video" {
				t.Errorf("%s: %d frames of %d", kind, decoded[kind], want.n)
			}
		}
	})
}

// decodedFrames returns how many frames ffmpeg decodes of a file's pictures and
// of its sound.
func decodedFrames(t *testing.T, name string) map[string]int {
	t.Helper()
	out, err := exec.Command(need(t, "ffprobe", getFFmpeg, "ffprobe"), "-v", "error", "-count_frames",
		"-show_entries", "stream=codec_type,nb_read_frames", "-of", "json", name).Output()
	var file struct {
		Streams []struct {
			Kind   string `json:"codec_type"`
			Frames string `json:"nb_read_frames"`
		}
	}
	if err := errors.Join(err, json.Unmarshal(out, &file)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	frames := make(map[string]int)
	for _, s := range file.Streams {
		n, err := strconv.Atoi(s.Frames)
		if err != nil {
			t.Fatal(err)
		}
		frames[s.Kind] = n
	}
	return frames
}

// TestPythonReadsMedia has moq-rs take what we publish out of its container, to
// the last byte, and decode what it can: sound, and H.264.
func TestPythonReadsMedia(t *testing.T) {
	program := venv(t)
	clipsIn(t, func(t *testing.T, c clip, container media.ContainerKind) {
		addr, _ := ourRelay(t, "")
		c.publish(t, addr, container)
		reader := start(t, program, filepath.Join(peers, "python", "media.py"), "--url", "https://"+addr, "--insecure", "--broadcast", film)
		reader.succeed()
		read, decoded := make(map[string]packets), make(map[string]int)
		for _, line := range printed[struct {
			Read, Decoded string
			Frames, Bytes int
		}](reader) {
			if line.Read != "" {
				read[line.Read] = packets{line.Frames, line.Bytes}
			}
			if line.Decoded != "" {
				decoded[line.Decoded] = line.Frames
			}
		}
		for kind, want := range c.counts(t) {
			if read[kind].n != want.n || c.name != tsFile.name && read[kind].bytes != want.bytes {
				t.Errorf("%s: %+v of %+v", kind, read[kind], want)
			}
			if n, any := decoded[kind]; n != want.n && (any || kind == "audio" || strings.Contains(c.name, "H.264")) {
				t.Errorf("%s: %d frames decoded of %d", kind, n, want.n)
			}
		}
	})
}
