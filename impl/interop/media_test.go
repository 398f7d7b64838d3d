//go:build unix

package interop_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/format"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

const getFFmpeg = "run apt-get install ffmpeg"

// film is the path of what is published of media.
const film = "interop/film.hang"

// A clip is two seconds of media.
type clip struct {
	name string
	file string   // below impl/format
	made []string // by ffmpeg instead, with these codecs: Chromium knows no level 1b of H.264, which h264b_opus.mp4 has
	pipe bool     // it comes as MPEG-TS, from ffmpeg, at its pace
	mute bool     // it has no sound
	long bool     // made longer than it is watched: more than a minute
}

var (
	h264AAC  = clip{name: "H.264 and AAC", file: "fmp4/testdata/h264_aac.mp4"}
	tsPipe   = clip{name: "MPEG-TS from a pipe", file: "fmp4/testdata/h264_aac.mp4", pipe: true}
	longPipe = clip{name: "MPEG-TS from a pipe", pipe: true, long: true, made: []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"}}
	tsFile   = clip{name: "MPEG-TS", file: "mpegts/testdata/h264_aac.ts"}
	h264Opus = clip{name: "B-frames and Opus", file: "fmp4/testdata/h264b_opus.mp4"}
	bFrames  = clip{name: "B-frames and Opus", made: []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "libopus"}}
	vp9Opus  = clip{name: "VP9 and Opus", file: "fmp4/testdata/vp9_opus.mp4"}
	av1      = clip{name: "AV1", file: "fmp4/testdata/av1.mp4", mute: true}
)

var containers = []media.ContainerKind{media.Legacy, media.CMAF, media.LOC}

// thorough tells whether the long form of the tests is wanted.
var thorough = os.Getenv("MOQ_INTEROP") == "full"

// path returns the file of the clip.
func (c clip) path(t *testing.T) string {
	t.Helper()
	if c.made == nil {
		return filepath.Join("..", "format", c.file)
	}
	name := filepath.Join(t.TempDir(), "made.mp4")
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=" + c.lasts(), "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=" + c.lasts()}
	args = append(append(args, c.made...), "-movflags", "+frag_keyframe+empty_moov+default_base_moof", name)
	if out, err := exec.Command(need(t, "ffmpeg", getFFmpeg, "ffmpeg"), args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return name
}

// lasts returns how many seconds of a clip ffmpeg makes: of one that is watched
// for a minute more than that, since ffmpeg's loops cut the sound.
func (c clip) lasts() string {
	if c.long {
		return "75"
	}
	return "2"
}

// counts returns how many packets the clip's pictures and its sound have, and
// how many bytes.
func (c clip) counts(t *testing.T) (counts map[string]packets) {
	t.Helper()
	content, err := os.ReadFile(c.path(t) + ".packets.json")
	if err != nil {
		t.Fatal(err)
	}
	var described struct{ Packets [][]int } // the track, three times, the size, and whether it is a key frame
	if err := json.Unmarshal(content, &described); err != nil {
		t.Fatal(err)
	}
	counts = make(map[string]packets)
	for _, p := range described.Packets {
		name := []string{"video", "audio"}[p[0]]
		counts[name] = packets{counts[name].n + 1, counts[name].bytes + p[4]}
	}
	return counts
}

type packets struct{ n, bytes int }

// piped returns the clip as MPEG-TS, again and again, at the pace of its
// timestamps.
func (c clip) piped(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd := exec.Command(need(t, "ffmpeg", getFFmpeg, "ffmpeg"), "-v", "error", "-re", "-stream_loop", "-1", "-i", c.path(t), "-c", "copy", "-f", "mpegts", "-")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return r
}

// publish publishes the clip to a relay, in a loop, with our command line.
func (c clip) publish(t *testing.T, addr string, container media.ContainerKind, rest ...string) {
	t.Helper()
	args := append([]string{"pub", "https://" + addr, film, "--insecure", "--json", "--container", container.String()}, rest...)
	if !c.pipe {
		moq(t, append(args, "--source", c.path(t))...).expect("publishing")
		return
	}
	cmd := exec.Command(binary, args...)
	cmd.Stdin = c.piped(t)
	run(t, cmd).expect("publishing")
}

// repeat returns the flags that publish the clip without end.
func (c clip) repeat() []string {
	if c.pipe {
		return nil
	}
	return []string{"--loop"}
}

// serve publishes the clip as a server, without a relay, and returns its
// address.
func (c clip) serve(t *testing.T, container media.ContainerKind) string {
	t.Helper()
	source := c.open(t)
	mux, broadcast := api.NewTrackMux(), new(live.Broadcast)
	ingestion, err := ingest.Open(broadcast, source, &ingest.Config{Container: container, Loop: !c.pipe})
	if err != nil {
		t.Fatal(err)
	}
	if err := mux.Publish(t.Context(), film, broadcast); err != nil {
		t.Fatal(err)
	}
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: mux}
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	served, ingested := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	go func() { ingested <- ingestion.Run(t.Context()) }()
	t.Cleanup(func() { // after the test's context has ended
		<-ingested
		_ = server.Close()
		<-served
	})
	return addr.String()
}

// open returns the clip's packets.
func (c clip) open(t *testing.T) media.Reader {
	t.Helper()
	if c.pipe {
		source, err := format.Sniff(c.piped(t))
		if err != nil {
			t.Fatal(err)
		}
		return source
	}
	file, err := format.Open(c.path(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}
