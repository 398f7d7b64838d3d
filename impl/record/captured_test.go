package record_test

import (
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// TestCaptured records frames that real publishers have sent.
func TestCaptured(t *testing.T) {
	b, err := os.ReadFile("../../api/media/testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Tracks []struct {
			Source, Track, Kind, Codec, Container string
			Init                                  []byte
			Frames                                []struct {
				Group   api.GroupSequence
				Payload []byte
			}
		}
	}
	if err := json.Unmarshal(b, &captured); err != nil {
		t.Fatal(err)
	}
	for _, track := range captured.Tracks {
		container := media.Container{Init: track.Init}
		if track.Container == "cmaf" {
			container.Kind = media.CMAF
		}
		c := &media.Catalog{}
		if track.Kind == "video" {
			c.Video.Renditions = map[api.TrackName]media.VideoRendition{"video": {Codec: track.Codec, Container: container}}
		} else {
			c.Audio.Renditions = map[api.TrackName]media.AudioRendition{"video": {Codec: track.Codec, Container: container, SampleRate: 48000, Channels: 2}}
		}
		t.Run(track.Source+" "+track.Track, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStation(t)
				defer s.close()
				got := s.recordAll(t.Context(), nil, func() {
					s.publish(c)
					time.Sleep(3 * time.Second)
					var group api.GroupWriter
					for _, f := range track.Frames {
						if group == nil || f.Group != group.Sequence() {
							if group != nil {
								_ = group.Close()
								time.Sleep(time.Second)
							}
							if group, err = s.video.OpenGroupAt(t.Context(), f.Group); err != nil {
								t.Error(err)
								return
							}
						}
						write(t, group, f.Payload)
					}
					_ = group.Close()
					time.Sleep(time.Second)
					s.end()
				})
				if got.err != nil || len(got.packets) < 2 || !got.packets[0].Key || got.packets[0].PTS != 0 {
					t.Fatalf("%d packets, gaps %v, error %v", len(got.packets), got.gaps, got.err)
				}
				if track.Kind == "video" {
					v := got.tracks[0].Video
					described := len(v.Description) > 0 || got.packets[0].Config != nil
					if avc := v.Codec[:3] == "avc"; avc && !described {
						t.Errorf("recorded as %+v", v)
					}
				}
				got.file(t)
			})
		})
	}
}
