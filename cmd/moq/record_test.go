package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// packetsOf counts the packets of a recording, by kind.
func packetsOf(t *testing.T, r io.Reader) (video, audio int) {
	t.Helper()
	source, err := format.Sniff(r)
	if err != nil {
		t.Fatal(err)
	}
	pictures := make(map[int]bool)
	for _, track := range source.Tracks() {
		pictures[track.ID] = track.Video != nil
	}
	for {
		var p media.Packet
		err := source.ReadPacket(&p)
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return video, audio
		case err != nil:
			t.Fatal(err)
		case pictures[p.Track]:
			video++
		default:
			audio++
		}
	}
}

// recorded records what is published of a sample.
func recorded(t *testing.T, url string, status int, args ...string) *command {
	t.Helper()
	path := "room/" + strings.ReplaceAll(t.Name(), "/", "-") + ".hang"
	pub := start(t, "", "pub", url, path, "--source", samples+"h264_aac.mp4", "--keep")
	record := start(t, "", append([]string{"record", url, path}, args...)...)
	record.wait(status)
	pub.cancel()
	pub.wait(exitDone)
	return record
}

func TestRecord(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url, name := "http://"+addr, filepath.Join(t.TempDir(), "cam.mp4")
	t.Run("file", func(t *testing.T) {
		record := recorded(t, url, exitDone, "--output", name)
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if video, audio := packetsOf(t, bytes.NewReader(content)); video != 30 || audio < 93 {
			t.Errorf("%d pictures and %d packets of sound", video, audio)
		}
		if said := record.err.String(); !strings.Contains(said, "recorded "+name) {
			t.Errorf("it says %s", said)
		}
	})
	t.Run("exists", func(t *testing.T) {
		before, _ := os.ReadFile(name)
		record := start(t, "", "record", url, "room/none.hang", "--output", name)
		record.wait(exitFailed)
		if after, _ := os.ReadFile(name); !bytes.Equal(before, after) || !strings.Contains(record.err.String(), "--force") {
			t.Errorf("%d of %d bytes are left, and it says %s", len(after), len(before), record.err.String())
		}
		recorded(t, url, exitDone, "--output", name, "--force", "--video", "none")
		replaced, _ := os.ReadFile(name)
		if video, audio := packetsOf(t, bytes.NewReader(replaced)); video != 0 || audio < 93 {
			t.Errorf("%d pictures and %d packets of sound", video, audio)
		}
	})
	t.Run("output", func(t *testing.T) {
		record := recorded(t, url, exitDone, "--output", "-", "--audio", "none", "--duration", "1s")
		if video, audio := packetsOf(t, strings.NewReader(record.out.String())); video < 14 || video > 16 || audio != 0 {
			t.Errorf("%d pictures and %d packets of sound", video, audio)
		}
	})
	t.Run("no such track", func(t *testing.T) {
		record := recorded(t, url, exitFailed, "--output", name+"2", "--video", "4k")
		if said := record.err.String(); !strings.Contains(said, "4k") || !strings.Contains(said, "video") {
			t.Errorf("it says %s", said)
		}
		if _, err := os.Stat(name + "2"); err == nil {
			t.Error("a file was made")
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		pub := start(t, "", "pub", url, "room/loop.hang", "--source", samples+"h264_aac.mp4", "--loop")
		record := start(t, "", "record", url, "room/loop.hang", "--output", name, "--force")
		record.err.await(t, "recording")
		record.err.await(t, "recorded")
		record.cancel()
		record.wait(exitDone)
		pub.cancel()
		pub.wait(exitDone)
		content, _ := os.ReadFile(name)
		if video, _ := packetsOf(t, bytes.NewReader(content)); video < 15 {
			t.Errorf("%d pictures", video)
		}
	})
}

// A smallDisk is full after some bytes.
type smallDisk struct {
	content []byte
	limit   int
}

func (d *smallDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.limit-len(d.content))
	d.content = append(d.content, b[:n]...)
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *smallDisk) Truncate(size int64) error {
	d.content = d.content[:size]
	return nil
}

func (d *smallDisk) Close() error { return nil }

// TestFullDisk has the disk become full at many places: what was recorded
// before plays, with nothing broken behind it.
func TestFullDisk(t *testing.T) {
	sample, err := os.ReadFile(samples + "h264_aac.mp4")
	if err != nil {
		t.Fatal(err)
	}
	for limit := 2000; limit < len(sample); limit += 1000 {
		source, err := format.Sniff(bytes.NewReader(sample))
		if err != nil {
			t.Fatal(err)
		}
		d := &smallDisk{limit: limit}
		w, err := fmp4.NewWriter(&wholeFile{disk: d}, source.Tracks(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			var p media.Packet
			if err = source.ReadPacket(&p); err == nil {
				err = w.WritePacket(&p)
			}
		}
		if err = errors.Join(err, w.Close()); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("disk of %d bytes: %v", limit, err)
		}
		video, audio := packetsOf(t, bytes.NewReader(d.content))
		if limit > len(sample)*3/4 && video == 0 || video == 0 && audio > 0 {
			t.Errorf("disk of %d bytes: %d pictures and %d packets of sound", limit, video, audio)
		}
	}
}

// TestDemoOfAFile streams a file through the relay of the demo.
func TestDemoOfAFile(t *testing.T) {
	transporttest.NoLeaks(t)
	demo := start(t, "", "demo", "--source", samples+"h264b_opus.mp4", "--json")
	demo.wait(exitDone)
	result := demo.lines()[0]
	if n := result["packets"].(map[string]any)["video avc1.640009 160x120"]; n != 30.0 || result["gaps"] != 0.0 {
		t.Errorf("%v", result)
	}
	start(t, "", "demo", "--source", samples+"none.mp4").wait(exitFailed)
	start(t, "", "demo", "--source", samples+"h264b_opus.mp4", "--transport", "tcp").wait(exitUsage)
}
