package main

import (
	"os"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// samples are sources of two seconds: 30 pictures, and sound.
const samples = "../../impl/format/fmp4/testdata/"

// TestMediaIsPublished publishes a file in each container, and reads all of it
// as a player would.
func TestMediaIsPublished(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	for _, container := range []string{"legacy", "cmaf", "loc"} {
		path := "room/" + container + ".hang"
		pub := start(t, "", "pub", url, path, "--source", samples+"h264_aac.mp4", "--container", container)
		catalog := start(t, "", "catalog", url, path)
		catalog.wait(exitDone)
		if said := catalog.out.String(); !strings.Contains(said, "avc1.4d400b, 160x120, 15/s, "+container) || !strings.Contains(said, "mp4a.40.2, 48000 Hz, 2 channels, "+container) {
			t.Errorf("the catalog is %s", said)
		}
		sub := start(t, "", "sub", url, path, "video", "--json", "--no-payload")
		sub.wait(exitDone)
		pub.wait(exitDone)
		if frames := sub.lines(); len(frames) != 30 {
			t.Errorf("%s: %d pictures", container, len(frames))
		}
	}
}

// TestMediaFromInput publishes a transport stream from standard input, at its
// own pace, under a path of MSF.
func TestMediaFromInput(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	stream, err := os.ReadFile("../../impl/format/mpegts/testdata/h264_aac.ts")
	if err != nil {
		t.Fatal(err)
	}
	catalog := start(t, "", "catalog", url, "room/cam.msf", "--json")
	sub := start(t, "", "sub", url, "room/cam.msf", "video", "--json", "--no-payload")
	pub := start(t, string(stream), "pub", url, "room/cam.msf")
	catalog.wait(exitDone)
	sub.wait(exitDone)
	pub.wait(exitDone)
	if frames := sub.lines(); len(frames) != 30 {
		t.Errorf("%d pictures", len(frames))
	}
	if wrong := catalog.lines()[0]["wrong"].([]any); len(wrong) != 0 {
		t.Errorf("the catalog: %v", wrong)
	}
}

// TestMediaInALoop plays a file again from its beginning: timestamps go on.
func TestMediaInALoop(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	pub := start(t, "", "pub", url, "room/loop.hang", "--source", samples+"h264_aac.mp4", "--loop")
	sub := start(t, "", "sub", url, "room/loop.hang", "video", "--json", "--no-payload", "--groups", "5")
	sub.wait(exitDone)
	pub.cancel()
	pub.wait(exitDone)
	last := -1.0
	for _, f := range sub.lines() {
		if f["frame"].(float64) == 0 {
			if at := f["timestamp"].(float64); at <= last {
				t.Errorf("group %v begins at %v, the one before at %v", f["group"], at, last)
			} else {
				last = at
			}
		}
	}
	if last < 3e6 {
		t.Errorf("the last group begins at %v µs", last)
	}
}

// TestWhatCannotBeStreamed checks what is said of sources that are no stream.
func TestWhatCannotBeStreamed(t *testing.T) {
	for name, input := range map[string]string{"Matroska": "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x88matroska", "nothing that is known": "hello, world"} {
		pub := start(t, input, "pub", "http://127.0.0.1:1", "room/x.hang")
		pub.wait(exitFailed)
		if said := pub.err.String(); !strings.Contains(said, name) || !strings.Contains(said, "ffmpeg -i") {
			t.Errorf("%s: %s", name, said)
		}
	}
	for _, wrong := range [][]string{{"--source", samples + "h264_aac.mp4", "--format", "ogg"}, {"--source", "pattern"}, {"--loop"}, {"--chunk", "5"}, {"--container", "ogg"}, {"--format", "ogg"}} {
		start(t, "", append([]string{"pub", "http://127.0.0.1:1", "room/x.hang"}, wrong...)...).wait(exitUsage)
	}
}

// TestFormatIsTaken reads a file as what --format says, whatever it begins with.
func TestFormatIsTaken(t *testing.T) {
	pub := start(t, "", "pub", "http://127.0.0.1:1", "room/x", "--source", samples+"h264_aac.mp4", "--format", "ts")
	pub.wait(exitFailed)
	if said := pub.err.String(); !strings.Contains(said, "h264_aac.mp4") || strings.Contains(said, "dial") {
		t.Errorf("it says %s", said)
	}
}

// TestCutMediaIsDelivered publishes a file that ends in the middle: what came
// before arrives, and the publisher says what is wrong.
func TestCutMediaIsDelivered(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	whole, err := os.ReadFile(samples + "h264_aac.mp4")
	if err != nil {
		t.Fatal(err)
	}
	cut := writeFile(t, string(whole[:len(whole)-2000]))
	pub := start(t, "", "pub", "http://"+addr, "room/cut.hang", "--source", cut)
	sub := start(t, "", "sub", "http://"+addr, "room/cut.hang", "video", "--json", "--no-payload", "--groups", "1")
	sub.wait(exitDone)
	pub.wait(exitFailed)
	if frames := sub.lines(); len(frames) < 15 || !strings.Contains(pub.err.String(), "EOF") {
		t.Errorf("%d pictures, and it says %s", len(frames), pub.err.String())
	}
}

// TestUnplayable names what browsers would not play.
func TestUnplayable(t *testing.T) {
	c := &media.Catalog{
		Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"a": {Codec: "hvc1.1.6.L93.B0"}, "b": {Codec: "avc1.64001f"}, "d": {Codec: "avc1.640009"}}},
		Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{"c": {Codec: "ac-3"}}},
	}
	if got := unplayable(c); len(got) != 3 || !strings.HasPrefix(got[0], "a ") || !strings.HasPrefix(got[1], "d ") || !strings.HasPrefix(got[2], "c ") {
		t.Errorf("%q", got)
	}
}
