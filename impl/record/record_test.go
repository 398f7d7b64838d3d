package record_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// playLegacy plays n groups of 25 pictures, and sound in groups of five, in the
// pace of a camera whose clock stands at from.
func (s *station) playLegacy(from time.Duration, n int) {
	for i := range n {
		at := from + time.Duration(i)*time.Second
		g, err := s.video.OpenGroup(s.t.Context())
		if err != nil {
			s.t.Error(err)
			return
		}
		for j := range 25 {
			pts := at + time.Duration(j)*picture
			write(s.t, g, legacy(pts, vp8(i*25+j, j == 0)...))
			if j%5 == 0 {
				var frames [][]byte
				for k := range 10 {
					frames = append(frames, legacy(pts+time.Duration(k)*sound, opus20(i*50+j*2+k)...))
				}
				s.send(s.audio, frames...)
			}
			time.Sleep(picture)
		}
		write(s.t, g, legacy(at+time.Second)) // the marker
		if err := g.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

func TestLegacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		got := s.recordAll(t.Context(), nil, func() {
			s.publish(&media.Catalog{})
			time.Sleep(time.Second)
			s.publish(both(media.Container{}))
			s.playLegacy(10*time.Second, 5)
			s.end()
		})
		got.check(t)
		if got.err != nil || len(got.gaps) != 0 {
			t.Errorf("error %v, gaps %v", got.err, got.gaps)
		}
		pictures, sounds := got.of(1), got.of(2)
		if len(pictures) != 125 || len(sounds) != 250 {
			t.Fatalf("%d pictures, %d sounds", len(pictures), len(sounds))
		}
		for i, p := range pictures {
			if p.PTS != time.Duration(i)*picture || p.DTS != p.PTS || p.Duration != picture || p.Key != (i%25 == 0) {
				t.Errorf("picture %d: %+v", i, p)
			}
		}
		for i, p := range sounds {
			if p.PTS != time.Duration(i)*sound || p.DTS != p.PTS || p.Duration != sound || !p.Key {
				t.Errorf("sound %d: %+v", i, p)
			}
		}
	})
}
