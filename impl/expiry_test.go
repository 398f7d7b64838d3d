package impl_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestOldGroupsAreReset writes several open groups: those whose timestamps are
// too far behind the newest are reset.
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

// TestUnstampedGroupsAge checks that groups without timestamps age by the time
// at which they were written.
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

// TestUnstampedGroupsAgeAfterARush writes many frames quickly; the first late
// one makes earlier groups too old.
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

// TestOldGroupsThatNeverLeft checks that groups which wait for the
// subscriber's credit until they are too old are reported as gaps.
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

// TestAgesOfFrames writes a group for a long time: the group before it is
// reset with the first frame that is late, with timestamps and without.
func TestAgesOfFrames(t *testing.T) {
	for _, stamped := range []bool{false, true} {
		for _, maxAge := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprintf("stamped %t, max age %v", stamped, maxAge), func(t *testing.T) {
				inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
					served := make(chan struct{})
					publish(t, mux, func(w api.TrackWriter) {
						defer close(served)
						began := time.Now()
						frame := func() (f api.Frame) {
							if stamped {
								f.Timestamp = 1 + uint64(time.Since(began).Milliseconds())
							}
							return f
						}
						first, second := openGroup(t, w), openGroup(t, w)
						_ = first.WriteFrame(frame())
						followed := time.Now()
						for first.Context().Err() == nil && time.Since(followed) < time.Minute {
							_ = second.WriteFrame(frame())
							synctest.Wait() // for what may end the context
							if first.Context().Err() == nil {
								time.Sleep(10 * time.Millisecond)
							}
						}
						if age := time.Since(followed); age != maxAge {
							t.Errorf("reset after %v", age)
						}
						expectStreamError(t, "the group that is too old", first.Close(), api.StreamOld, false)
						_ = second.Close()
					})
					r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: maxAge})
					<-served
					_ = r.Close()
				})
			})
		}
	}
}

func openGroup(t *testing.T, w api.TrackWriter) api.GroupWriter {
	t.Helper()
	g, err := w.OpenGroup(w.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestUnstampedGroupsAgeInACoarseTimescale checks that groups are reset as
// soon as a coarse timescale shows their age.
func TestUnstampedGroupsAgeInACoarseTimescale(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		served := make(chan struct{})
		_ = mux.Publish(t.Context(), "room", api.TrackFuncs{
			Info: infoOf(api.TrackInfo{Timescale: 1}),
			Serve: func(w api.TrackWriter) {
				defer close(served)
				began := time.Now()
				first, second := openGroup(t, w), openGroup(t, w)
				_ = first.WriteFrame(api.Frame{})
				time.Sleep(900 * time.Millisecond)
				for first.Context().Err() == nil {
					_ = second.WriteFrame(api.Frame{})
					time.Sleep(10 * time.Millisecond)
				}
				if age := time.Since(began); age > 1010*time.Millisecond {
					t.Errorf("reset after %v", age)
				}
			},
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: time.Second})
		<-served
		_ = r.Close()
	})
}

// TestAgesOfGroupsOutOfOrder checks a group that makes another one too old and
// is neither the newest nor the last opened.
func TestAgesOfGroupsOutOfOrder(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		served := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			defer close(served)
			groups := make(map[api.GroupSequence]api.GroupWriter)
			for _, step := range []struct {
				seq   api.GroupSequence
				stamp uint64
			}{{5, 1000}, {5, 1500}, {1, 1000}, {5, 2000}, {3, 1000}, {5, 2999}, {5, 3000}} {
				g := groups[step.seq]
				if g == nil {
					var err error
					if g, err = w.OpenGroupAt(w.Context(), step.seq); err != nil {
						t.Error(err)
						return
					}
					groups[step.seq] = g
				}
				if first := groups[1]; first != nil && first.Context().Err() != nil {
					t.Errorf("reset before the frame of %d at %d", step.seq, step.stamp)
				}
				if err := g.WriteFrame(api.Frame{Timestamp: step.stamp, Payload: []byte("x")}); err != nil {
					t.Error(err)
				}
			}
			expectStreamError(t, "the group followed two seconds ago", groups[1].Close(), api.StreamOld, false)
			for _, seq := range []api.GroupSequence{3, 5} {
				if err := groups[seq].Close(); err != nil {
					t.Errorf("group %d: %v", seq, err)
				}
			}
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: 2 * time.Second})
		<-served
		_ = r.Close()
	})
}

// TestLessMaxAge checks that a lower maximum age of a subscription applies
// from its next frame on.
func TestLessMaxAge(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		served := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			defer close(served)
			first, second := openGroup(t, w), openGroup(t, w)
			_ = first.WriteFrame(api.Frame{Payload: []byte("x")})
			_ = second.WriteFrame(api.Frame{Payload: []byte("x")})
			time.Sleep(200 * time.Millisecond)
			_ = second.WriteFrame(api.Frame{Payload: []byte("x")})
			if err := first.Context().Err(); err != nil {
				t.Errorf("reset at the first max age: %v", err)
			}
			<-w.Updated()
			_ = second.WriteFrame(api.Frame{Payload: []byte("x")})
			expectStreamError(t, "the group that is too old now", first.Close(), api.StreamOld, false)
			_ = second.Close()
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: time.Minute})
		time.Sleep(500 * time.Millisecond)
		if err := r.Update(&api.SubscribeConfig{MaxLatency: 100 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		<-served
		_ = r.Close()
	})
}
