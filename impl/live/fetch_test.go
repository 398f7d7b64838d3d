package live_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

func TestFetchStreamsUntilTheGroupEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		g := open(t, track, 1, "a", "b")
		w := fetch(t, b, api.FetchRequest{})
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() {}, "a,b,…"},
			{func() { fill(t, g, 1, "c") }, "a,b,c,…"},
			{func() {
				body, _ := g.StartFrame(api.FrameHeader{Size: 4})
				_, _ = body.Write([]byte("de"))
				synctest.Wait()
				if got := recorded(w); got != "a,b,c,de,…" {
					t.Errorf("within a frame: %q", got)
				}
				_, _ = body.Write([]byte("fg"))
			}, "a,b,c,defg,…"},
			{func() { _ = g.Close() }, "a,b,c,defg"},
		} {
			step.do()
			synctest.Wait()
			if got := recorded(w); got != step.want {
				t.Errorf("fetched %q, want %q", got, step.want)
			}
		}
	})
}

// A skipping is a writer that records how many frames were skipped.
type skipping struct {
	*apitest.GroupRecorder
	skipped uint64
}

func (s *skipping) SkipFrames(n uint64) error {
	s.skipped += n
	return nil
}

func TestFetchBounds(t *testing.T) {
	tests := []struct {
		missing    uint64 // first frames that the track has not
		start, end uint64
		want       string
	}{
		{0, 0, 0, "0+0,1,2,3,…"},
		{0, 1, 0, "1+1,2,3,…"},
		{0, 0, 2, "0+0,1"},
		{0, 1, 3, "1+1,2"},
		{0, 3, 9, "3+3,…"},
		{0, 6, 0, "6+…"},
		{0, 6, 6, "6+"},
		{2, 2, 0, "2+2,3,…"},
		{2, 3, 4, "3+3"},
		{2, 1, 0, "0+" + notFound},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("[%d,%d) without %d", test.start, test.end, test.missing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				g := open(t, b.Track("video", api.TrackInfo{}), 1)
				_ = g.SkipFrames(test.missing)
				for i := test.missing; i < 4; i++ {
					fill(t, g, i, fmt.Sprint(i))
				}
				w := &skipping{GroupRecorder: apitest.NewGroupRecorder(t.Context(), 0)}
				go b.ServeFetch(w, api.FetchRequest{Name: "video", StartFrame: test.start, EndFrame: test.end})
				synctest.Wait()
				if got := fmt.Sprintf("%d+%s", w.skipped, recorded(w.GroupRecorder)); got != test.want {
					t.Errorf("fetched %q, want %q", got, test.want)
				}
				_ = g.Close()
			})
		})
	}
}

func TestFetchOfWhatFails(t *testing.T) {
	const code = api.StreamApplication + 1
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		g := open(t, track, 1, "a")
		along := fetch(t, b, api.FetchRequest{})
		g.Cancel(code)
		synctest.Wait()
		if got, want := recorded(along), fmt.Sprintf("a,!%d", code); got != want {
			t.Errorf("fetched along: %q, want %q", got, want)
		}
		expectFetch(t, b, 0, fmt.Sprintf("!%d", code))
		expectFetch(t, b, 1, notFound)

		ctx, leave := context.WithCancel(t.Context())
		open(t, track, 1, "b")
		w := apitest.NewGroupRecorder(ctx, 1)
		done := make(chan struct{})
		go func() {
			b.ServeFetch(w, api.FetchRequest{Name: "video", Group: 1})
			close(done)
		}()
		synctest.Wait()
		leave()
		<-done

		_ = track.CloseWithError(code)
		expectFetch(t, b, 1, fmt.Sprintf("!%d", code))
		w = apitest.NewGroupRecorder(t.Context(), 0)
		b.ServeFetch(w, api.FetchRequest{Name: "nothing"})
		if got := recorded(w); got != notFound {
			t.Errorf("no such track: %q", got)
		}
	})
}

func TestOnFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{
			OnTrack: func(api.TrackRequest) (*live.Track, error) {
				t.Error("a fetch has a track made")
				return nil, nil
			},
			OnFetch: func(w api.GroupWriter, req api.FetchRequest) {
				_ = w.WriteFrame(api.Frame{Payload: fmt.Appendf(nil, "from elsewhere %d", req.Group)})
				_ = w.Close()
			},
		}
		expectFetch(t, b, 3, "from elsewhere 3")
		track := b.Track("video", api.TrackInfo{})
		put(t, track, "here")
		expectFetch(t, b, 0, "here")
		expectFetch(t, b, 1, "from elsewhere 1")
	})
}

func TestFetchEndToEnd(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				session(t, b, v, func(t *testing.T, s api.Session) {
					g := open(t, b.Track("video", api.TrackInfo{}), 1, "a", "b", "c")
					_ = g.Close()
					r, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video"})
					if err != nil {
						t.Fatal(err)
					}
					if got := readGroup(r); got != "a,b,c" {
						t.Errorf("fetched %q", got)
					}
					if v != api.Lite06 {
						return
					}
					r, err = s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", StartFrame: 1, EndFrame: 2})
					if err != nil {
						t.Fatal(err)
					}
					if got := readGroup(r); got != "b" || r.FirstFrame() != 1 {
						t.Errorf("fetched %q from %d", got, r.FirstFrame())
					}
				})
			})
		})
	}
}
