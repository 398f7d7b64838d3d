package record_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/record"
)

// sendPictures writes group seq: the 25 pictures of a second, and its marker.
func (s *station) sendPictures(seq int, frames int) api.GroupWriter {
	s.t.Helper()
	g, err := s.video.OpenGroupAt(s.t.Context(), api.GroupSequence(seq))
	if err != nil {
		s.t.Fatal(err)
	}
	at := time.Duration(seq) * time.Second
	for j := range frames {
		write(s.t, g, legacy(at+time.Duration(j)*picture, vp8(seq*25+j, j == 0)...))
	}
	if frames == 25 {
		write(s.t, g, legacy(at+time.Second))
		_ = g.Close()
	}
	return g
}

// sendSounds writes group seq: the 50 packets of a second.
func (s *station) sendSounds(seq int) {
	s.t.Helper()
	g, err := s.audio.OpenGroupAt(s.t.Context(), api.GroupSequence(seq))
	if err != nil {
		s.t.Fatal(err)
	}
	s.writeSounds(g, time.Duration(seq)*time.Second)
}

// writeSounds writes the 50 packets of a second into a group, and closes it.
func (s *station) writeSounds(g api.GroupWriter, at time.Duration) {
	s.t.Helper()
	for k := range 50 {
		write(s.t, g, legacy(at+time.Duration(k)*sound, opus20(k)...))
	}
	_ = g.Close()
}

// TestLostGroups loses groups of pictures and of sound, in each way in which that
// happens: what is there keeps its time, and what is lost is told.
func TestLostGroups(t *testing.T) {
	evicted := &api.StreamError{Code: api.StreamEvicted}
	for name, lose := range map[string]func(s *station, seq int){
		"told": func(s *station, seq int) {
			gap := api.Gap{Start: api.GroupSequence(seq), End: api.GroupSequence(seq + 1), Err: evicted}
			_ = s.video.WriteGap(gap)
			_ = s.audio.WriteGap(gap)
		},
		"left out": func(*station, int) {},
		"broken off": func(s *station, seq int) {
			s.sendPictures(seq, 5).Cancel(api.StreamEvicted)
			if g, err := s.audio.OpenGroupAt(s.t.Context(), api.GroupSequence(seq)); err == nil {
				g.Cancel(api.StreamEvicted)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStation(t)
				defer s.close()
				got := s.recordAll(t.Context(), nil, func() {
					s.publish(both(media.Container{}))
					time.Sleep(time.Second)
					for seq := range 6 {
						if seq == 3 {
							lose(s, seq)
						} else {
							s.sendPictures(seq, 25)
							s.sendSounds(seq)
						}
						time.Sleep(time.Second)
					}
					time.Sleep(20 * time.Second)
					s.end()
				})
				got.check(t)
				pictures, sounds := got.of(1), got.of(2)
				broken := len(pictures) - 125
				if got.err != nil || broken < 0 || broken > 5 || name != "broken off" && broken > 0 || len(sounds) != 250 {
					t.Fatalf("%d pictures, %d sounds, error %v", len(pictures), len(sounds), got.err)
				}
				before, after := pictures[74+broken], pictures[75+broken]
				if end := before.DTS + before.Duration; after.PTS != 4*time.Second || end > after.DTS {
					t.Errorf("after the gap %v; the picture before it lasts until %v", after.PTS, end)
				}
				if after := sounds[150]; after.PTS != 4*time.Second {
					t.Errorf("sound after the gap at %v", after.PTS)
				}
				checkGap(t, got.gaps, 1, 3*time.Second+time.Duration(broken)*picture, 4*time.Second)
				checkGap(t, got.gaps, 2, 3*time.Second, 4*time.Second)
				if len(got.gaps) != 2 {
					t.Errorf("%d gaps", len(got.gaps))
				}
			})
		})
	}
}

// checkGap checks that a gap of a track was told, with a reason.
func checkGap(t testing.TB, gaps []record.Gap, track int, start, end time.Duration) {
	t.Helper()
	for _, g := range gaps {
		if g.Track == track && g.Start == start && g.End == end && g.Err != nil {
			return
		}
	}
	t.Errorf("no gap of track %d from %v to %v in %v", track, start, end, gaps)
}

// TestStuckGroup has a group bring nothing more and never end.
func TestStuckGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		got := s.recordAll(t.Context(), &record.Choice{NoAudio: true, MaxLatency: 3 * time.Second}, func() {
			s.publish(both(media.Container{}))
			time.Sleep(time.Second)
			s.sendPictures(0, 25)
			time.Sleep(500 * time.Millisecond)
			stuck := s.sendPictures(1, 3)
			for seq := 2; seq < 20; seq++ {
				s.sendPictures(seq, 25)
				time.Sleep(500 * time.Millisecond)
			}
			stuck.Cancel(api.StreamInternal)
			s.end()
		})
		if n := len(got.packets); got.err != nil || n < 25+3+17*25 || len(got.gaps) == 0 {
			t.Errorf("%d pictures, gaps %v, error %v", n, got.gaps, got.err)
		}
	})
}

// TestGroupsOutOfOrder writes groups at once, of which the newest mostly arrive
// first.
func TestGroupsOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		got := s.recordAll(t.Context(), nil, func() {
			s.publish(both(media.Container{}))
			time.Sleep(time.Second)
			for _, seq := range []int{0, 2, 1, 3, 5, 4} {
				s.sendPictures(seq, 25)
				s.sendSounds(seq)
				time.Sleep(300 * time.Millisecond)
			}
			s.end()
		})
		got.check(t)
		if got.err != nil || len(got.of(1)) != 150 || len(got.of(2)) != 300 || len(got.gaps) > 0 {
			t.Errorf("%d pictures, %d sounds, gaps %v, error %v", len(got.of(1)), len(got.of(2)), got.gaps, got.err)
		}
	})
}

// TestSilentTrack has no sound for a while: pictures do not wait for it, and then
// both are in step.
func TestSilentTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		ctx := t.Context()
		go func() {
			s.publish(both(media.Container{}))
			time.Sleep(time.Second)
			for seq := range 40 {
				s.sendPictures(seq, 25)
				if seq < 5 || seq >= 30 {
					g, err := s.audio.OpenGroup(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					s.writeSounds(g, time.Duration(seq)*time.Second)
				}
				time.Sleep(time.Second)
			}
			s.end()
		}()
		r, err := record.Open(ctx, s.session, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		begun, last := time.Now(), time.Duration(0)
		var heard []time.Duration
		for {
			var p media.Packet
			if err := r.ReadPacket(&p); err != nil {
				break
			}
			if late := time.Since(begun) - p.PTS; late > 5*time.Second {
				t.Errorf("packet of track %d at %v comes %v late", p.Track, p.PTS, late)
			}
			if p.DTS < last-3*time.Second {
				t.Errorf("track %d at %v comes behind %v", p.Track, p.DTS, last)
			}
			if last = max(last, p.DTS); p.Track == 2 {
				heard = append(heard, p.PTS)
			}
		}
		if len(heard) != 750 || heard[250] != 30*time.Second {
			t.Errorf("%d sounds", len(heard))
		}
		gaps := r.Gaps()
		if len(gaps) != 1 || gaps[0].Track != 2 || gaps[0].Start != 5*time.Second || gaps[0].End != 30*time.Second {
			t.Errorf("gaps %v", gaps)
		}
	})
}

// TestBrokenOff loses the session: what had come is there, and the error says so.
func TestBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		got := s.recordAll(t.Context(), nil, func() {
			s.publish(both(media.Container{}))
			time.Sleep(time.Second)
			s.sendPictures(0, 25)
			s.sendSounds(0)
			time.Sleep(time.Second)
			s.server.Sever()
		})
		if got.err == nil || errors.Is(got.err, api.ErrClosed) || len(got.packets) != 75 {
			t.Errorf("%d packets, error %v", len(got.packets), got.err)
		}
	})
}
