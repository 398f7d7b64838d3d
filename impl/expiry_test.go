package impl_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestOldGroupsAreReset has a publisher with several open groups, of which
// those are reset that are too far behind the newest, by their timestamps.
func TestOldGroupsAreReset(t *testing.T) {
	tests := []struct {
		name       string
		subscriber time.Duration
		publisher  time.Duration
		timescale  uint64
		stamps     []uint64 // of the groups' frames
		reset      string
	}{
		{"within the publisher's default", 0, 0, 0, []uint64{1000, 2000, 3000, 6999}, ""},
		{"beyond the publisher's default", 0, 0, 0, []uint64{1000, 2000, 3000, 8000}, "0 1"},
		{"the subscriber's is less", time.Second, 0, 0, []uint64{1000, 1500, 2000, 2499}, ""},
		{"the subscriber's is less and over", time.Second, 0, 0, []uint64{1000, 1500, 2000, 2600}, "0"},
		{"the publisher's is less", time.Minute, time.Second, 0, []uint64{1000, 1500, 2000, 2600}, "0"},
		{"the newest only", -1, 0, 0, []uint64{1000, 2000, 3000, 3000}, "0 1 2"},
		{"in the track's timescale", time.Second, 0, 90_000, []uint64{1000, 2000, 3000, 91_999}, ""},
		{"over in the track's timescale", time.Second, 0, 90_000, []uint64{1000, 2000, 3000, 92_000}, "0"},
		{"time runs back", time.Second, 0, 0, []uint64{9000, 8000, 7000, 6000}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
				var reset []string
				served := make(chan struct{})
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{
					Info: infoOf(api.TrackInfo{MaxLatency: test.publisher, Timescale: test.timescale}),
					Serve: func(w api.TrackWriter) {
						defer close(served)
						var groups []api.GroupWriter
						for _, stamp := range test.stamps {
							g, err := w.OpenGroup(w.Context())
							if err != nil {
								t.Error(err)
								return
							}
							groups = append(groups, g)
							if err := g.WriteFrame(api.Frame{Timestamp: stamp, Payload: []byte("x")}); err != nil {
								t.Error(err)
							}
						}
						for _, g := range groups {
							if err := g.Close(); err != nil {
								expectStreamError(t, "an old group", err, api.StreamOld, false)
								reset = append(reset, fmt.Sprint(g.Sequence()))
							}
						}
					},
				})
				r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: test.subscriber})
				<-served
				if got := strings.Join(reset, " "); got != test.reset {
					t.Errorf("reset %q, want %q", got, test.reset)
				}
				_ = r.Close()
			})
		})
	}
}

func infoOf(info api.TrackInfo) func(context.Context, api.TrackRequest) (api.TrackInfo, error) {
	return func(context.Context, api.TrackRequest) (api.TrackInfo, error) { return info, nil }
}

// TestUnstampedGroupsAge by the time at which they were written.
func TestUnstampedGroupsAge(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			open := func() api.GroupWriter {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Fatal(err)
				}
				_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
				return g
			}
			first := open()
			time.Sleep(time.Second)
			second := open()
			time.Sleep(2 * time.Second)
			third := open()
			expectStreamError(t, "the group followed two seconds ago", first.Close(), api.StreamOld, false)
			if err := second.Close(); err != nil {
				t.Errorf("the group followed now: %v", err)
			}
			_ = third.Close()
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: 2 * time.Second})
		read := 0
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = g.ReadFrame(new(api.Frame))
			}
			if g.Sequence() == 0 {
				expectStreamError(t, "the old group", err, api.StreamOld, true)
			}
			read++
		}
		if read != 3 {
			t.Errorf("%d groups came, want 3", read)
		}
	})
}

// TestUnstampedGroupsAgeAfterARush of frames, at the first one that is late.
func TestUnstampedGroupsAgeAfterARush(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		served := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			defer close(served)
			var groups [2]api.GroupWriter
			for i := range groups {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				groups[i] = g
				_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
			}
			for range 3 {
				_ = groups[1].WriteFrame(api.Frame{Payload: []byte("at once")})
			}
			time.Sleep(2 * time.Second)
			_ = groups[1].WriteFrame(api.Frame{Payload: []byte("later")})
			expectStreamError(t, "the group followed two seconds ago", groups[0].Close(), api.StreamOld, false)
			_ = groups[1].Close()
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: 2 * time.Second})
		<-served
		_ = r.Close()
	})
}

// TestOldGroupsThatNeverLeft are gaps: the subscriber holds back what it may
// still take, so that they wait here until they are too old.
func TestOldGroupsThatNeverLeft(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for i := range uint64(200) {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					return
				}
				_ = g.WriteFrame(api.Frame{Timestamp: 1 + i*1000, Payload: make([]byte, 256<<10)})
				_ = g.Close()
				time.Sleep(10 * time.Millisecond)
			}
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: 3 * time.Second})
		time.Sleep(time.Minute)
		seen, gaps := 0, 0
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = g.ReadFrame(new(api.Frame))
			}
			seen++
		}
		for _, gap := range r.Gaps() {
			gaps += int(gap.End - gap.Start)
		}
		if seen+gaps < 200 || seen == 0 || gaps == 0 {
			t.Errorf("%d groups came and %d are gaps, of 200", seen, gaps)
		}
	})
}
