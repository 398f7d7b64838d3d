package fmp4_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
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

// Each codec goes through as ffmpeg writes it, fragmented and, some of them, not.
func TestFFmpegCodecs(t *testing.T) {
	const pictures, sound = "testsrc2=duration=0.5:rate=10:size=160x120", "sine=frequency=440:duration=0.5"
	const fragmented, plain = "frag_keyframe+empty_moov+default_base_moof", "faststart"
	for name, c := range map[string]struct {
		source, flags, args string
		codec               string // the codec's string that is read
	}{
		"AVC, wide pixels": {pictures, fragmented, "-vf setsar=4/3 -pix_fmt yuv420p -c:v libx264", "avc1.64000a"},
		"AVC, plain":       {pictures, plain, "-vf setsar=4/3 -pix_fmt yuv420p -c:v libx264", "avc1.64000a"},
		"HEVC":             {pictures, fragmented, "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1", "hvc1.1.6.L30.90"},
		"HEVC in band":     {pictures, plain, "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hev1", "hev1.1.6.L30.90"},
		"VP9 of 10 bits":   {pictures, fragmented, "-pix_fmt yuv420p10 -c:v libvpx-vp9 -cpu-used 8 -b:v 100k", "vp09.02.10.10.01.02.02.02.00"},
		"MP3":              {sound, fragmented, "-c:a libmp3lame", "mp3"},
		"MP3, half rate":   {sound, plain, "-c:a libmp3lame -ar 22050", "mp3"},
		"FLAC":             {sound, plain, "-c:a flac -strict -2", "flac"},
		"FLAC at 96 kHz":   {sound, fragmented, "-c:a flac -strict -2 -ar 96000 -sample_fmt s32", "flac"},
		"Opus of six":      {sound, fragmented, "-c:a libopus -ac 6 -mapping_family 1", "opus"},
		"AAC at 96 kHz":    {sound, fragmented, "-c:a aac -ar 96000", "mp4a.40.2"},
		"AAC, plain":       {sound, plain, "-c:a aac -ar 44100", "mp4a.40.2"},
	} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "source.mp4")
			args := append([]string{"-v", "error", "-f", "lavfi", "-i", c.source}, strings.Fields(c.args)...)
			run(t, nil, "ffmpeg", append(args, "-f", "mp4", "-movflags", c.flags, source)...)
			file, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			remux(t, bytes.NewReader(file), &out, nil)
			packets := probe(t, file, "-count_packets", "-show_entries", "stream=nb_read_packets")
			if got := decoded(t, out.Bytes()); got != packets {
				t.Errorf("%s frames are decoded; expected %s", got, packets)
			}
			r, err := fmp4.NewReader(bytes.NewReader(out.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if got := codecOf(r.Tracks()[0]); got != c.codec {
				t.Errorf("the codec is %s; expected %s", got, c.codec)
			}
			const shape = "stream=width,height,display_aspect_ratio,sample_rate,channels"
			got, want := probe(t, out.Bytes(), "-show_entries", shape), probe(t, file, "-show_entries", shape)
			if strings.ReplaceAll(got, "N/A", "4:3") != want {
				t.Errorf("it is shown as %s; expected %s", got, want)
			}
		})
	}
}

// The forms in which ffmpeg writes MP4 are read as ffprobe reads them.
func TestFFmpegForms(t *testing.T) {
	forms := []string{"frag_keyframe", "frag_keyframe+delay_moov", "frag_every_frame+empty_moov", "empty_moov", "frag_keyframe+empty_moov+separate_moof",
		"frag_keyframe+empty_moov+negative_cts_offsets+default_base_moof", "frag_keyframe+empty_moov+omit_tfhd_offset",
		"frag_keyframe+empty_moov+default_base_moof+global_sidx", "dash+delay_moov", "cmaf+delay_moov+frag_keyframe", "faststart", "rtphint"}
	dir := t.TempDir()
	source := filepath.Join(dir, "source.mp4")
	run(t, nil, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=3:rate=10:size=160x120", "-f", "lavfi", "-i", "sine=duration=3",
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast", "-g", "10", "-c:a", "aac", source)
	for _, form := range forms {
		t.Run(form, func(t *testing.T) {
			name := filepath.Join(dir, form+".mp4")
			run(t, nil, "ffmpeg", "-v", "error", "-i", source, "-c", "copy", "-movflags", form, name)
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var in io.Reader = pipe{bytes.NewReader(file)}
			if form == "faststart" || form == "rtphint" {
				in = bytes.NewReader(file)
			}
			r, err := fmp4.NewReader(in)
			if err != nil {
				t.Fatal(err)
			}
			packets, err := readAll(r)
			if err != io.EOF {
				t.Fatalf("after %d packets: %v", len(packets), err)
			}
			for stream := range 2 {
				var got []string
				for _, p := range packets {
					if p.Track == stream+1 {
						got = append(got, fmt.Sprintf("%.6f,%d", p.DTS.Seconds(), len(p.Payload)))
					}
				}
				want := run(t, nil, "ffprobe", "-v", "error", "-select_streams", fmt.Sprint(stream), "-show_entries", "packet=dts_time,size", "-of", "csv=p=0", name)
				want = strings.ReplaceAll(want+"\n", ",\n", "\n") // side data of a packet, of which only the comma is left
				if want = strings.TrimSpace(strings.ReplaceAll(want, "\n\n", "\n")); strings.Join(got, "\n") != want {
					t.Errorf("stream %d has\n%s\nexpected\n%s", stream, strings.Join(got, " "), strings.ReplaceAll(want, "\n", " "))
				}
			}
		})
	}
}

// probe returns what ffprobe tells of a file.
func probe(t *testing.T, file []byte, args ...string) string {
	t.Helper()
	return run(t, file, "ffprobe", append(append([]string{"-v", "error"}, args...), "-of", "csv=p=0", "-")...)
}

func codecOf(t media.Track) string {
	if t.Video != nil {
		return t.Video.Codec
	}
	return t.Audio.Codec
}
