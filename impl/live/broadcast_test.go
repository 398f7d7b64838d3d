package live_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

func code(c api.StreamErrorCode) *api.StreamErrorCode { return &c }

func TestUnknownTrack(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		_, err := s.Subscribe(t.Context(), "room", "video", nil)
		if !errors.Is(err, api.ErrNotFound) {
			t.Errorf("subscribe: %v, want ErrNotFound", err)
		}
		if _, err := b.TrackInfo(t.Context(), api.TrackRequest{Name: "video"}); api.ErrorCode(err) != api.StreamNotFound {
			t.Errorf("info: %v, want not found", err)
		}
		unknown := serve(t, b, api.SubscribeConfig{})
		unknown.expectEnd(t, "serve", code(api.StreamNotFound))
	})
}

func TestInfo(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				session(t, b, v, func(t *testing.T, s api.Session) {
					want := api.TrackInfo{Priority: 3, MaxLatency: time.Minute, Timescale: 90_000}
					track := b.Track("video", want)
					if again := b.Track("video", api.TrackInfo{}); again != track || again.Info() != want {
						t.Errorf("another track of the name: %+v", again.Info())
					}
					if got, err := s.TrackInfo(t.Context(), "room", "video"); err != nil || got != want {
						t.Errorf("info %+v, %v, want %+v", got, err, want)
					}
				})
			})
		})
	}
}

// TestOnTrack checks that OnTrack is called once for requests that come at the
// same time.
func TestOnTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := &live.Broadcast{}
		b.OnTrack = func(req api.TrackRequest) (*live.Track, error) {
			time.Sleep(time.Second)
			calls++
			if req.Name != "video" || req.Path != "room" {
				return nil, &api.StreamError{Code: api.StreamUnauthorized}
			}
			return b.Track(req.Name, api.TrackInfo{Timescale: 50}), nil
		}
		var all []*subscriber
		for range 5 {
			all = append(all, serve(t, b, api.SubscribeConfig{}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.TrackInfo(ctx, api.TrackRequest{Name: "video"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who does not wait: %v", err)
		}
		info, err := b.TrackInfo(t.Context(), api.TrackRequest{Name: "video"})
		if err != nil || info.Timescale != 50 || calls != 1 {
			t.Errorf("info %+v, %v, after %d calls", info, err, calls)
		}
		put(t, b.Track("video", api.TrackInfo{}), "a")
		for _, s := range all {
			s.expect(t, "on demand", "0:a")
		}
		if _, err := b.TrackInfo(t.Context(), api.TrackRequest{Name: "audio"}); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("refused: %v", err)
		}
		_ = b.Close()
		for _, s := range all {
			s.expectEnd(t, "closed", nil)
		}
		if _, err := b.TrackInfo(t.Context(), api.TrackRequest{Name: "data"}); !errors.Is(err, api.ErrNotFound) || calls != 2 {
			t.Errorf("after Close: %v, %d calls", err, calls)
		}
		if err := b.Track("new", api.TrackInfo{}).Context().Err(); err == nil {
			t.Error("a track lives after Close")
		}
	})
}

func TestOnTrackThatFails(t *testing.T) {
	tests := map[string]struct {
		make func(api.TrackRequest) (*live.Track, error)
		want api.StreamErrorCode
	}{
		"nothing": {func(api.TrackRequest) (*live.Track, error) { return nil, nil }, api.StreamNotFound},
		"error": {func(api.TrackRequest) (*live.Track, error) {
			return live.NewTrack(api.TrackInfo{}, live.Limits{}), fmt.Errorf("no: %w", api.ErrUnauthorized)
		}, api.StreamUnauthorized},
		"idle": {func(api.TrackRequest) (*live.Track, error) {
			track := live.NewTrack(api.TrackInfo{}, live.Limits{})
			track.CloseIdle()
			return track, nil
		}, api.StreamCancelled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &live.Broadcast{OnTrack: test.make}
				s := serve(t, b, api.SubscribeConfig{})
				s.expectEnd(t, "refused", &test.want)
			})
		})
	}
}

func TestOnTrackThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{OnTrack: func(api.TrackRequest) (*live.Track, error) {
			time.Sleep(time.Second)
			panic("deliberate")
		}}
		go func() {
			defer func() { _ = recover() }()
			b.ServeTrack(apitest.NewTrackRecorder(t.Context(), api.TrackRequest{Name: "video"}))
		}()
		synctest.Wait()
		s := serve(t, b, api.SubscribeConfig{})
		time.Sleep(time.Minute)
		s.expectEnd(t, "who waited", code(api.StreamInternal))
	})
}

// TestEndedTracks: a track that was closed can still be read; one that was
// aborted is made anew, by OnTrack or by Track.
func TestEndedTracks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made []*live.Track
		b := &live.Broadcast{OnTrack: func(api.TrackRequest) (*live.Track, error) {
			track := live.NewTrack(api.TrackInfo{}, live.Limits{})
			put(t, track, fmt.Sprint("of ", len(made)))
			made = append(made, track)
			return track, nil
		}}
		first := serve(t, b, api.SubscribeConfig{})
		_ = made[0].Close()
		first.expectEnd(t, "closed", nil)
		second := serve(t, b, api.SubscribeConfig{})
		second.expectEnd(t, "after Close", nil)
		second.expect(t, "after Close", "0:of 0")

		_ = made[0].CloseWithError(api.StreamGoingAway)
		third := serve(t, b, api.SubscribeConfig{})
		third.expect(t, "after an abort", "0:of 1")
		_ = made[1].CloseWithError(api.StreamGoingAway)
		third.expectEnd(t, "aborted", code(api.StreamGoingAway))
		if len(made) != 2 {
			t.Errorf("%d tracks were made, want 2", len(made))
		}
		put(t, b.Track("video", api.TrackInfo{}), "by hand")
		fourth := serve(t, b, api.SubscribeConfig{})
		fourth.expect(t, "made by hand", "0:by hand")
		_ = b.Close()
		_ = b.Close()
		fourth.expectEnd(t, "closed", nil)
	})
}

func TestDatagrams(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				session(t, b, v, func(t *testing.T, s api.Session) {
					track := b.Track("video", api.TrackInfo{})
					readers := []api.TrackReader{subscribe(t, s, nil), subscribe(t, s, nil)}
					synctest.Wait()
					for i := range uint64(3) {
						if err := track.SendDatagram(api.Datagram{Timestamp: i, Payload: []byte{byte(i)}}); err != nil {
							t.Fatal(err)
						}
					}
					g := open(t, track, 1)
					if g.Sequence() != 3 {
						t.Errorf("a group after three datagrams is %d, want 3", g.Sequence())
					}
					_ = g.Close()
					for _, r := range readers {
						for i := range uint64(3) {
							var d api.Datagram
							if err := r.ReceiveDatagram(t.Context(), &d); err != nil || uint64(d.Sequence) != i || d.Timestamp != i || d.Payload[0] != byte(i) {
								t.Errorf("datagram %d: %+v, %v", i, d, err)
							}
						}
					}
					if err := track.SendDatagram(api.Datagram{Payload: make([]byte, 1201)}); !errors.Is(err, api.ErrDatagramTooLarge) {
						t.Errorf("1,201 bytes: %v, want ErrDatagramTooLarge", err)
					}
					if err := track.SendDatagram(api.Datagram{Sequence: 99, Payload: make([]byte, 1000)}); err != nil {
						t.Error(err)
					}
					if g := open(t, track, 1); g.Sequence() != 100 {
						t.Errorf("a group after datagram 99 is %d", g.Sequence())
					} else {
						_ = g.Close()
					}
				})
			})
		})
	}
}

func TestLatestGroup(t *testing.T) {
	b := new(live.Broadcast)
	if seq, ok := b.LatestGroup("video"); ok {
		t.Errorf("without a track: %d", seq)
	}
	track := b.Track("video", api.TrackInfo{})
	if seq, ok := b.LatestGroup("video"); ok {
		t.Errorf("without a group: %d", seq)
	}
	openAt(t, track, 7, 1)
	openAt(t, track, 5, 1)
	if seq, ok := b.LatestGroup("video"); !ok || seq != 7 {
		t.Errorf("%d, %v, want 7", seq, ok)
	}
}
