package fmp4_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a program with a file as its input, and returns what it prints.
func run(t *testing.T, input []byte, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name, "is not installed")
	}
	command := exec.Command(name, args...)
	command.Stdin = bytes.NewReader(input)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v\n%s", command, err, &complaints)
	}
	return strings.TrimSpace(string(out))
}

// decoded returns the number of frames that ffmpeg decodes of each stream, and
// fails where it complains: of a file, and of a pipe.
func decoded(t *testing.T, file []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.mp4")
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"}
	ofFile := run(t, nil, "ffprobe", append(args, name)...)
	if ofPipe := run(t, file, "ffprobe", append(args, "-")...); ofPipe != ofFile {
		t.Errorf("of a pipe %s frames are decoded, of a file %s", ofPipe, ofFile)
	}
	return strings.Join(strings.Fields(ofFile), " ")
}

// ffmpeg decodes every frame of what is written.
func TestFFmpegDecodes(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			var file bytes.Buffer
			remux(t, s.reader(s.file), &file, nil)
			var want []string
			for stream := range s.Streams {
				n := 0
				for _, p := range s.Packets {
					if int(*p[0]) == stream {
						n++
					}
				}
				want = append(want, fmt.Sprint(n))
			}
			if got := decoded(t, file.Bytes()); got != strings.Join(want, " ") {
				t.Errorf("%s frames are decoded; expected %s", got, want)
			}
		})
	}
}

// ffmpeg decodes pictures whose size changes in the middle of a file.
func TestFFmpegDecodesAChange(t *testing.T) {
	var sources [2]source
	for i, size := range []string{"160x120", "320x240"} {
		file := run(t, nil, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=1:rate=10:size="+size,
			"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-")
		sources[i] = pictures(t, strings.NewReader(file))
	}
	file := join(t, sources[0], sources[1])
	if got := decoded(t, file); got != "20" {
		t.Errorf("%s frames are decoded; expected 20", got)
	}
	sizes := run(t, file, "ffprobe", "-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0", "-")
	if a, b := strings.Count(sizes, "160,120"), strings.Count(sizes, "320,240"); a != 10 || b != 10 {
		t.Errorf("%d frames are small and %d large; expected 10 of each", a, b)
	}
}
