package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

// both returns a source of pictures and sound of some seconds, which is as fast
// as a file.
func both(seconds int) *source {
	return &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(pictures(0, 25*seconds), sounds(0, 50*seconds))}
}

// equal checks that the frames of a track are the packets that were sent, in
// order.
func equal(t *testing.T, frames []received, packets []timed) {
	t.Helper()
	if len(frames) != len(packets) {
		t.Fatalf("%d frames of %d packets", len(frames), len(packets))
	}
	for i, f := range frames {
		if !bytes.Equal(f.Payload, packets[i].Payload) {
			t.Fatalf("frame %d: payload %x, want %x", i, f.Payload, packets[i].Payload)
		}
		if f.timestamp != uint64(f.PTS/time.Microsecond) {
			t.Fatalf("frame %d: timestamp %d, and %v in its container", i, f.timestamp, f.PTS)
		}
	}
}

func TestFile(t *testing.T) {
	got := run(t, both(3), nil, "video", "audio")
	if got.err != nil {
		t.Fatal(got.err)
	}
	equal(t, got.tracks["video"], pictures(0, 75))
	equal(t, got.tracks["audio"], sounds(0, 150))
	for i, f := range got.tracks["video"] {
		at := time.Duration(i) * picture
		if f.PTS != at || f.at < at || f.at > at+5*time.Millisecond {
			t.Errorf("picture %d: pts %v, came at %v", i, f.PTS, f.at)
		}
		if (f.index == 0) != (i%25 == 0) {
			t.Errorf("picture %d is frame %d of group %d", i, f.index, f.group)
		}
	}
	for i, f := range got.tracks["audio"] {
		if f.index != i%5 {
			t.Errorf("packet %d of sound is frame %d of group %d", i, f.index, f.group)
		}
	}
}

func TestCatalog(t *testing.T) {
	got := run(t, both(3), &ingest.Config{Edit: func(c *media.Catalog) {
		c.Extra = map[string]json.RawMessage{"com.example": json.RawMessage(`{"room":7}`)}
	}}, "video")
	if len(got.catalogs) != 1 {
		t.Fatalf("%d catalogs", len(got.catalogs))
	}
	c := got.catalogs[0]
	video, audio := c.Video.Renditions["video"], c.Audio.Renditions["audio"]
	if video.Codec != "vp8" || video.CodedSize.Width != 160 || video.Framerate != 25 || video.Jitter != 0 {
		t.Errorf("video: %+v", video)
	}
	if audio.Codec != "opus" || audio.SampleRate != 48000 || audio.Channels != 2 {
		t.Errorf("audio: %+v", audio)
	}
	if c.Clock == nil {
		t.Error("no clock")
	}
	if string(c.Extra["com.example"]) != `{"room":7}` {
		t.Errorf("extra: %s", c.Extra["com.example"])
	}
	if first := got.tracks["video"][0].at; got.shown[0] > first {
		t.Errorf("the catalog came at %v, the first picture at %v", got.shown[0], first)
	}
}

func TestMSF(t *testing.T) {
	got := run(t, both(1), &ingest.Config{MSF: true}, "catalog")
	c, left, err := media.ParseMSF(got.tracks["catalog"][0].Payload)
	if err != nil || len(left) > 0 || c.Video.Renditions["video"].Codec != "vp8" || c.Audio.Renditions["audio"].SampleRate != 48000 {
		t.Errorf("%+v: %v %v", c, left, err)
	}
}

// TestOneClock gives each track another beginning: of all, the earliest is 0.
func TestOneClock(t *testing.T) {
	const start = 1400 * time.Millisecond
	s := &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(pictures(start+30*time.Millisecond, 25), sounds(start, 50))}
	got := run(t, s, nil, "video", "audio")
	if first := got.tracks["audio"][0].PTS; first != 0 {
		t.Errorf("the first sound is at %v", first)
	}
	if first := got.tracks["video"][0].PTS; first != 30*time.Millisecond {
		t.Errorf("the first picture is at %v", first)
	}
}

// TestFragmentsAreSmoothed gives a second of pictures, then a second of sound,
// each second, as fragmented MP4 through a pipe does.
func TestFragmentsAreSmoothed(t *testing.T) {
	video, audio := readyTogether(pictures(0, 100), time.Second), readyTogether(sounds(0, 200), time.Second)
	s := &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(video, audio)}
	got := run(t, s, nil, "video", "audio")
	equal(t, got.tracks["video"], video)
	equal(t, got.tracks["audio"], audio)
	for name, frames := range got.tracks {
		for i, f := range frames {
			if late := f.at - time.Second - f.PTS; name != "catalog.json" && (late < 0 || late > 25*time.Millisecond) {
				t.Fatalf("%s %d: pts %v, came at %v", name, i, f.PTS, f.at)
			}
		}
	}
	if jitter := got.catalogs[0].Video.Renditions["video"].Jitter; jitter != 0 {
		t.Errorf("jitter %v, though all is smooth", jitter)
	}
}

// TestJitterOfBursts passes the same on as it comes, and says so.
func TestJitterOfBursts(t *testing.T) {
	video, audio := readyTogether(pictures(0, 100), time.Second), readyTogether(sounds(0, 200), time.Second)
	s := &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(video, audio)}
	got := run(t, s, &ingest.Config{Pace: ingest.Immediate}, "video", "audio")
	equal(t, got.tracks["video"], video)
	equal(t, got.tracks["audio"], audio)
	for i, f := range got.tracks["audio"] {
		if f.index != i%50 {
			t.Fatalf("packet %d of sound is frame %d of its group: what is at hand belongs into one", i, f.index)
		}
	}
	for name, jitter := range map[string]time.Duration{"video": got.catalogs[0].Video.Renditions["video"].Jitter, "audio": got.catalogs[0].Audio.Renditions["audio"].Jitter} {
		if jitter < 960*time.Millisecond || jitter > time.Second {
			t.Errorf("%s: jitter %v", name, jitter)
		}
	}
	if len(got.catalogs) != 1 {
		t.Errorf("%d catalogs", len(got.catalogs))
	}
}

// TestReorderedPicturesAreJitter has a picture wait for those that are decoded
// after it and shown before.
func TestReorderedPicturesAreJitter(t *testing.T) {
	video := pictures(0, 100)
	for i := range video {
		switch i % 3 {
		case 0:
			video[i].PTS += 2 * picture
		case 1, 2:
			video[i].PTS = video[i].DTS - picture + 2*picture
		}
		if i%3 == 0 {
			video[i].PTS = video[i].DTS + 3*picture
		}
	}
	got := run(t, &source{tracks: []media.Track{videoTrack()}, packets: video}, nil, "video")
	equal(t, got.tracks["video"], video)
	if jitter := got.catalogs[0].Video.Renditions["video"].Jitter; jitter != 2*picture {
		t.Errorf("jitter %v", jitter)
	}
}

// TestSoundIsNotBehindReorderedPictures checks that the earliest picture and the
// earliest sound are sent as long before they are shown, from a file and from a
// pipe: players lag with the sound by what is between them.
func TestSoundIsNotBehindReorderedPictures(t *testing.T) {
	for name, live := range map[string]bool{"file": false, "pipe": true} {
		t.Run(name, func(t *testing.T) {
			video, audio := pictures(0, 75), sounds(0, 150)
			for i := range video {
				video[i].PTS += []time.Duration{3, 0, 0}[i%3] * picture
			}
			if live {
				video, audio = readyTogether(video, picture), readyTogether(audio, sound)
			}
			s := &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(video, audio)}
			got := run(t, s, nil, "video", "audio")
			equal(t, got.tracks["video"], video)
			equal(t, got.tracks["audio"], audio)
			early := map[api.TrackName]time.Duration{}
			for name, frames := range got.tracks {
				for _, f := range frames {
					early[name] = max(early[name], f.PTS-f.at)
				}
			}
			if apart := early["video"] - early["audio"]; apart < -sound || apart > sound {
				t.Errorf("the earliest picture is sent %v before it is shown, the earliest sound %v", early["video"], early["audio"])
			}
			if c := got.catalogs[0]; c.Video.Renditions["video"].Jitter != 3*picture || c.Audio.Renditions["audio"].Jitter != 0 {
				t.Errorf("jitter of pictures %v, of sound %v", c.Video.Renditions["video"].Jitter, c.Audio.Renditions["audio"].Jitter)
			}
		})
	}
}

// TestSoundInBursts is MPEG-TS through a pipe, 17 packets of sound at once: a
// viewer who wants the newest group alone, over a session, hears all.
func TestSoundInBursts(t *testing.T) {
	for name, pace := range map[string]ingest.Pace{"smooth": ingest.Smooth, "immediate": ingest.Immediate} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soundInBursts(t, pace) })
		})
	}
}

// TestDay counts a day of pictures, each 150th of those at 30000/1001 a second: nothing drifts.
func TestDay(t *testing.T) {
	const n, each = 24 * 720, 5005 * time.Millisecond
	s := &source{tracks: []media.Track{videoTrack()}}
	for i := range n {
		at := time.Duration(i) * each
		s.packets = append(s.packets, timed{ready: at, Packet: media.Packet{
			Track: videoID, PTS: at, DTS: at, Duration: each, Key: true, Payload: payload(videoID, i),
		}})
	}
	got := run(t, s, nil, "video")
	frames := got.tracks["video"]
	if len(frames) != n || got.err != nil {
		t.Fatalf("%d frames: %v", len(frames), got.err)
	}
	last := frames[n-1]
	if want := uint64(n-1) * 5005000; last.timestamp != want || last.at > last.PTS+time.Second {
		t.Errorf("after a day: timestamp %d, want %d; pts %v came at %v", last.timestamp, want, last.PTS, last.at)
	}
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		got := runIn(t, ctx, &looped{*both(3)}, &ingest.Config{Loop: true}, "video", "audio")
		if !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("error %v", got.err)
		}
		for i, f := range got.tracks["video"] {
			at := time.Duration(i) * picture
			if f.index >= 0 && (f.PTS != at || f.at > at+5*time.Millisecond || !bytes.Equal(f.Payload, payload(videoID, i%75))) {
				t.Fatalf("picture %d: pts %v, came at %v, payload %x", i, f.PTS, f.at, f.Payload)
			}
		}
		if n := len(got.tracks["video"]); n < 230 {
			t.Errorf("%d pictures", n)
		}
	})
	got := run(t, both(1), &ingest.Config{Loop: true}, "video")
	if video := got.tracks["video"]; got.err == nil || len(video) != 26 || video[25].index != -1 {
		t.Errorf("a source that cannot begin again: %d pictures, %v", len(got.tracks["video"]), got.err)
	}
}

// TestLoopOfCutSound loops a file that cuts the duration of its last packet of
// sound: the next round begins where all samples of that have been heard.
func TestLoopOfCutSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		audio := sounds(0, 151)
		audio[150].Duration = 5 * time.Millisecond
		s := &looped{source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: interleave(pictures(0, 75), audio)}}
		got := runIn(t, ctx, s, &ingest.Config{Loop: true}, "video", "audio")
		for i, f := range got.tracks["audio"] {
			if at := time.Duration(i) * sound; f.index >= 0 && f.PTS != at {
				t.Fatalf("packet %d of sound: pts %v, want %v", i, f.PTS, at)
			}
		}
		if n := len(got.tracks["audio"]); n < 450 {
			t.Errorf("%d packets of sound", n)
		}
	})
}

// TestSteps has the clock of the source step in the middle, back and far ahead.
func TestSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			const start = 2 * time.Hour
			all := interleave(pictures(start, 50), sounds(start, 100))
			later := interleave(pictures(start+step, 50), sounds(start+step, 100))
			s := &source{tracks: []media.Track{videoTrack(), audioTrack()}, packets: append(all, later...)}
			got := run(t, s, nil, "video", "audio")
			for i, f := range got.tracks["video"] {
				if want := time.Duration(i) * picture; f.PTS != want {
					t.Fatalf("picture %d: pts %v", i, f.PTS)
				}
			}
			for i, f := range got.tracks["audio"] {
				if want := time.Duration(i) * sound; f.PTS != want {
					t.Fatalf("sound %d: pts %v", i, f.PTS)
				}
			}
		})
	}
}

// TestFastClock has a source whose clock is 1 % faster: its packets are not held
// longer and longer.
func TestFastClock(t *testing.T) {
	video := pictures(0, 25*600)
	for i := range video {
		video[i].ready = video[i].DTS * 99 / 100
	}
	got := run(t, &source{tracks: []media.Track{videoTrack()}, packets: video}, nil, "video")
	frames := got.tracks["video"]
	for i, f := range frames {
		if held := f.at - video[i].ready; i > 25 && (held < 0 || held > 250*time.Millisecond) {
			t.Fatalf("picture %d was held for %v", i, held)
		}
	}
}

// TestLateSource has a source stop for a while: what follows is smooth again,
// later, and the delay goes away.
func TestLateSource(t *testing.T) {
	video := pictures(0, 25*120)
	for i := range video {
		video[i].ready = video[i].DTS
		if at := video[i].DTS; at > 10*time.Second && at < 11*time.Second {
			video[i].ready = 11 * time.Second
		}
	}
	got := run(t, &source{tracks: []media.Track{videoTrack()}, packets: video}, nil, "video")
	frames := got.tracks["video"]
	equal(t, frames, video)
	last := len(frames) - 1
	if held := frames[last].at - video[last].ready; held > 100*time.Millisecond {
		t.Errorf("the last picture was held for %v", held)
	}
}

func TestDescriptionChanges(t *testing.T) {
	first, second := h264Description(t, 0), h264Description(t, 1)
	track := media.Track{ID: videoID, Video: &media.VideoRendition{Codec: "avc1.4d400b", Description: first, CodedSize: media.Size{Width: 160, Height: 120}}}
	video := pictures(0, 75)
	video[0].Config, video[50].Config = first, second
	got := run(t, &source{tracks: []media.Track{track}, packets: video}, nil, "video")
	if got.err != nil || len(got.catalogs) != 2 {
		t.Fatalf("%d catalogs: %v", len(got.catalogs), got.err)
	}
	r := got.catalogs[1].Video.Renditions["video"]
	if !bytes.Equal(r.Description, second) || r.Codec != "avc1.640009" {
		t.Errorf("the second catalog: %+v", r)
	}
	if shown, picture := got.shown[1], got.tracks["video"][50].at; shown > picture {
		t.Errorf("the catalog came at %v, its picture at %v", shown, picture)
	}
}

// TestParameterSetsInBand publishes H.264 in the form of annex B as CMAF, whose
// init has the parameter sets that the key frames had: also those that come
// later.
func TestParameterSetsInBand(t *testing.T) {
	track := media.Track{ID: videoID, Video: &media.VideoRendition{Codec: "avc3.4d400b", CodedSize: media.Size{Width: 160, Height: 120}}}
	video := pictures(0, 75)
	for i := range video {
		video[i].Payload = []byte{0, 0, 0, 1, 0x41, 0x9a}
		if video[i].Key {
			video[i].Payload = append(h264Sets(t, i/50), 0, 0, 0, 1, 0x65, 0x88)
		}
	}
	got := run(t, &source{tracks: []media.Track{track}, packets: video}, &ingest.Config{Container: media.CMAF})
	if got.err != nil || len(got.catalogs) != 2 {
		t.Fatalf("%d catalogs: %v", len(got.catalogs), got.err)
	}
	for i, codec := range []string{"avc1.4d400b", "avc1.640009"} {
		r := got.catalogs[i].Video.Renditions["video"]
		if r.Codec != codec || !bytes.Equal(r.Description, h264Description(t, i)) || !bytes.Contains(r.Container.Init, r.Description) {
			t.Errorf("catalog %d: %+v", i, r)
		}
	}
}

func TestSourceFails(t *testing.T) {
	broken := errors.New("the cable is out")
	s := both(1)
	s.packets, s.end = s.packets[:40], broken
	got := run(t, s, nil, "video", "audio")
	if !errors.Is(got.err, broken) {
		t.Errorf("error %v", got.err)
	}
	video := got.tracks["video"]
	if last := video[len(video)-1]; last.index != -1 {
		t.Errorf("the group that was cut ended as a whole one, after frame %d", last.index)
	}
}

func TestRefusals(t *testing.T) {
	unnamed := &ingest.Config{Name: func(media.Track) api.TrackName { return "x" }}
	for name, c := range map[string]struct {
		source media.Reader
		config *ingest.Config
	}{
		"no track":        {&source{}, nil},
		"neither":         {&source{tracks: []media.Track{{ID: 1}}}, nil},
		"equal names":     {both(1), unnamed},
		"unknown track":   {&source{tracks: []media.Track{videoTrack()}, packets: sounds(0, 1)}, nil},
		"cannot describe": {&source{tracks: []media.Track{{ID: audioID, Audio: &media.AudioRendition{Codec: "opus"}}}, packets: sounds(0, 1)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var b live.Broadcast
			if err := ingest.Run(t.Context(), &b, c.source, c.config); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("error %v", err)
			}
		})
	}
}
