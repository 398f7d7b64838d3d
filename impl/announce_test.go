package impl_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// An interest receives announcements in a test, and keeps what is announced
// now.
type interest struct {
	t      *testing.T
	reader api.AnnouncementReader
	live   map[api.BroadcastPath]api.Announcement
	steps  int // changes told
}

func interested(t *testing.T, s api.Session, prefix string) *interest {
	t.Helper()
	r, err := s.Announcements(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return &interest{t: t, reader: r, live: make(map[api.BroadcastPath]api.Announcement)}
}

// receive receives the next change, and checks that it may follow the previous
// one of its path.
func (in *interest) receive(ctx context.Context) (api.Announcement, error) {
	a, err := in.reader.Receive(ctx)
	if err != nil {
		return a, err
	}
	_, live := in.live[a.Path]
	switch a.Status {
	case api.AnnouncementsComplete:
		return a, nil
	case api.AnnouncementEnded:
		delete(in.live, a.Path)
	default:
		in.live[a.Path] = a
	}
	in.steps++
	if live != (a.Status != api.AnnouncementActive) {
		in.t.Fatalf("%q is %v; was it live before: %v", a.Path, a.Status, live)
	}
	return a, nil
}

// settle receives changes until no more come, and returns the announced paths.
func (in *interest) settle() []api.BroadcastPath {
	in.t.Helper()
	now, cancel := context.WithCancel(in.t.Context())
	cancel()
	for settled := false; ; {
		_, err := in.receive(now)
		switch {
		case err == nil:
			settled = false
		case !errors.Is(err, context.Canceled):
			in.t.Fatal(err)
		case settled:
			return slices.Sorted(maps.Keys(in.live))
		default:
			settled = true
			synctest.Wait()
		}
	}
}

func (in *interest) expect(paths ...api.BroadcastPath) {
	in.t.Helper()
	if got := in.settle(); !slices.Equal(got, paths) {
		in.t.Errorf("announced are %q, want %q", got, paths)
	}
}

func announce(t testing.TB, ctx context.Context, mux *api.TrackMux, paths ...api.BroadcastPath) {
	t.Helper()
	for _, path := range paths {
		if err := mux.PublishFunc(ctx, path, nothing); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInterestsByWholeSegments checks several interests in one session, some
// within others; each is independent.
func TestInterestsByWholeSegments(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		announce(t, t.Context(), mux, "", "room", "room/1", "room/10", "room/1/cam", "roomy", "Room/1")
		all := interested(t, s, "")
		room := interested(t, s, "/room//")
		again := interested(t, s, "room")
		one := interested(t, s, "room/1")
		none := interested(t, s, "room/1/cam/x")

		all.expect("", "Room/1", "room", "room/1", "room/1/cam", "room/10", "roomy")
		room.expect("room", "room/1", "room/1/cam", "room/10")
		one.expect("room/1", "room/1/cam")
		none.expect()

		if err := room.reader.Close(); err != nil {
			t.Error(err)
		}
		if _, err := room.reader.Receive(t.Context()); !errors.Is(err, api.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		ctx, withdraw := context.WithCancel(t.Context())
		announce(t, ctx, mux, "room/1/mic", "room/2")
		again.expect("room", "room/1", "room/1/cam", "room/1/mic", "room/10", "room/2")
		one.expect("room/1", "room/1/cam", "room/1/mic")
		withdraw()
		again.expect("room", "room/1", "room/1/cam", "room/10")
		one.expect("room/1", "room/1/cam")
		none.expect()
	})
}

func TestBadPrefix(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		for _, prefix := range []string{strings.Repeat("a/", 33), "\xff", strings.Repeat("a", 1<<16)} {
			if _, err := s.Announcements(t.Context(), prefix); err == nil {
				t.Errorf("the prefix %.10q… is taken", prefix)
			}
		}
		if err := s.Context().Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestHiddenBroadcasts checks that hidden broadcasts are announced only to an
// interest that names the hiding segment, and that anyone can subscribe to
// them.
func TestHiddenBroadcasts(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		announce(t, t.Context(), mux, ".top", "room/.stats/cpu", "room/.stats/.raw/net", "room/a.b")
		interested(t, s, "").expect("room/a.b")
		interested(t, s, "room").expect("room/a.b")
		interested(t, s, ".top").expect(".top")
		interested(t, s, "room/.stats").expect("room/.stats/cpu")
		interested(t, s, "room/.stats/.raw").expect("room/.stats/.raw/net")
		publishGroups(t, mux, "room/.late", 1)
		interested(t, s, "room").expect("room/a.b")
		r, err := s.Subscribe(t.Context(), "room/.late", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		if lines := readAll(t, r); len(lines) != 2 {
			t.Errorf("read %q", lines)
		}
	})
}

// TestCompleteComesOnce checks that the set is reported as complete once, 400
// ms after the last announcement of those that existed.
func TestCompleteComesOnce(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		announce(t, t.Context(), mux, manyPaths(0, 500, 1)...)
		in := interested(t, s, "")
		begin := time.Now()
		for {
			a, err := in.receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if a.Status == api.AnnouncementsComplete {
				break
			}
		}
		if len(in.live) != 500 || time.Since(begin) != 400*time.Millisecond {
			t.Errorf("complete with %d broadcasts after %v", len(in.live), time.Since(begin))
		}
		announce(t, t.Context(), mux, "later")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for a, err := in.receive(ctx); err == nil; a, err = in.receive(ctx) {
			if a.Status == api.AnnouncementsComplete {
				t.Error("complete again")
			}
		}
	})
}

// TestRestartIsEndedThenActive checks the changes of a restart, also when the
// reader has missed some.
func TestRestartIsEndedThenActive(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		in := interested(t, s, "")
		ctx, end := context.WithCancel(t.Context())
		announce(t, ctx, mux, "room")
		in.expect("room")
		for _, restarts := range []int{1, 5} {
			for range restarts {
				end()
				ctx, end = context.WithCancel(t.Context())
				announce(t, ctx, mux, "room") // at once: the path is free
				synctest.Wait()
			}
			in.steps = 0
			in.expect("room")
			if in.steps != 2 {
				t.Errorf("%d restarts are told in %d steps, want an end and a beginning", restarts, in.steps)
			}
		}
		end()
		in.expect()
	})
}

// TestHopsInEachVersion checks that a chain of hops is passed on.
func TestHopsInEachVersion(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		err := mux.Announce(t.Context(), api.Announcement{Path: "room", Hops: []api.Hop{5, 0, 7}, Warm: 2, Cold: 9}, api.TrackHandlerFunc(nothing))
		if err != nil {
			t.Fatal(err)
		}
		in := interested(t, s, "")
		in.expect("room")
		a := in.live["room"]
		v := s.State().Version
		want := []api.Hop{5, 0, 7}
		if v == api.Lite03 {
			want = []api.Hop{0, 0, 0}
		}
		if len(a.Hops) != 4 || !slices.Equal(a.Hops[:3], want) || (a.Hops[3] == 0) != (v == api.Lite03) {
			t.Errorf("hops %v, want %v and the sender's", a.Hops, want)
		}
		cold := uint64(1<<62 - 1) // costs that are not told: usable, not preferred
		warm := uint64(1)
		if v == api.Lite06 {
			warm, cold = 3, 10
		}
		if a.Warm != warm || a.Cold != cold {
			t.Errorf("costs %d and %d, want %d and %d", a.Warm, a.Cold, warm, cold)
		}
	})
}

// TestLinkCost checks the cost that the server announces for subscribing
// through it.
func TestLinkCost(t *testing.T) {
	for _, cost := range []uint64{0, 7, 1<<62 - 2} {
		synctest.Test(t, func(t *testing.T) {
			mux := api.NewTrackMux()
			server := moqtest.NewUnstartedServer(mux)
			server.Config.Config = &api.Config{LinkCost: &cost}
			server.Start()
			defer server.Close()
			err := mux.Announce(t.Context(), api.Announcement{Path: "room", Warm: 2, Cold: 9}, api.TrackHandlerFunc(nothing))
			if err != nil {
				t.Fatal(err)
			}
			in := interested(t, dial(t, server, api.Lite06, api.NewTrackMux()), "")
			in.expect("room")
			a, most := in.live["room"], uint64(1<<62-1)
			if a.Warm != min(2+cost, most) || a.Cold != min(9+cost, most) {
				t.Errorf("costs %d and %d over a link of %d", a.Warm, a.Cold, cost)
			}
		})
	}
}

// TestOwnRoutesDoNotComeBack uses the same hop id at both ends, like a relay
// that dials itself.
func TestOwnRoutesDoNotComeBack(t *testing.T) {
	for _, v := range api.Versions() {
		if v == api.Lite03 {
			continue // tells the number of hops alone
		}
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				server := moqtest.NewUnstartedServer(mux)
				server.Config.Config = &api.Config{Hop: 7}
				server.Start()
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Hop: 7, Versions: []api.Version{v}}
				s, err := c.Dial(t.Context(), server.URL, mux)
				if err != nil {
					t.Fatal(err)
				}
				announce(t, t.Context(), mux, "room")
				in := interested(t, s, "")
				announce(t, t.Context(), mux, "later")
				in.expect()
			})
		})
	}
}

// TestRoles checks clients that only publish, or only subscribe.
func TestRoles(t *testing.T) {
	for _, v := range api.Versions() {
		for _, role := range []api.Role{api.RoleBoth, api.RolePublisher, api.RoleSubscriber} {
			t.Run(fmt.Sprint(v, " ", role), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sessions := make(chan api.Session, 1)
					served, own := api.NewTrackMux(), api.NewTrackMux()
					server := moqtest.NewUnstartedServer(served)
					server.Config.Handler = func(s api.Session) { sessions <- s; <-s.Context().Done() }
					server.Start()
					defer server.Close()
					announce(t, t.Context(), served, "theirs")
					announce(t, t.Context(), own, "ours")
					c := server.Client()
					c.Config = &api.Config{Role: role, Versions: []api.Version{v}}
					s, err := c.Dial(t.Context(), server.URL, own)
					if err != nil {
						t.Fatal(err)
					}
					told := v == api.Lite05 || v == api.Lite06
					toClient, toServer := interested(t, s, ""), interested(t, <-sessions, "")
					if told && role == api.RolePublisher {
						toClient.expect()
					} else {
						toClient.expect("theirs")
					}
					if told && role == api.RoleSubscriber {
						toServer.expect()
					} else {
						toServer.expect("ours")
					}
				})
			})
		}
	}
}

// TestTooManyAnnouncements checks that announcements beyond the limit are
// ignored, and the session continues.
func TestTooManyAnnouncements(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				server := moqtest.NewServer(mux)
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}, Limits: api.Limits{Announcements: 100}}
				s, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				in := interested(t, s, "")
				for range 3 { // many over time are no matter
					ctx, end := context.WithCancel(t.Context())
					announce(t, ctx, mux, manyPaths(0, 100, 1)...)
					in.expect(slices.Sorted(slices.Values(manyPaths(0, 100, 1)))...)
					end()
					in.expect()
				}
				ctx, end := context.WithCancel(t.Context())
				announce(t, ctx, mux, manyPaths(0, 100, 1)...)
				excess, endExcess := context.WithCancel(t.Context())
				announce(t, excess, mux, "excess/a", "excess/b")
				in.expect(slices.Sorted(slices.Values(manyPaths(0, 100, 1)))...)
				if n := s.Stats().AnnouncementsDropped; n != 2 {
					t.Errorf("%d announcements are counted as left out, want 2", n)
				}
				for path := range mux.All("") { // of what is followed, and of what is not
					if err := mux.Update(api.Announcement{Path: path.Path, Hops: []api.Hop{7}, Warm: 5}); err != nil {
						t.Fatal(err)
					}
				}
				endExcess()
				end()
				in.expect()
				announce(t, t.Context(), mux, "excess/a")
				in.expect("excess/a")
				if err := context.Cause(s.Context()); err != nil {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// TestTheSlowLearnOfTheOutcome makes many changes while the server cannot
// send, or the reader does not read: the memory for it is bounded, and the
// reader then gets the result instead of each step.
func TestTheSlowLearnOfTheOutcome(t *testing.T) {
	for _, v := range api.Versions() {
		for _, frozen := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s frozen %v", v, frozen), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mux := api.NewTrackMux()
					server := moqtest.NewServer(mux)
					defer server.Close()
					in := interested(t, dial(t, server, v, api.NewTrackMux()), "")
					going, withdraw := context.WithCancel(t.Context())
					announce(t, t.Context(), mux, "stays", "moves")
					announce(t, going, mux, "goes", "restarts")
					in.expect("goes", "moves", "restarts", "stays")
					in.steps = 0

					if frozen {
						server.Freeze()
					}
					churn(t, mux, 0, 2000)
					if held := grown(func() { churn(t, mux, 2000, 10_000) }); held > 256<<10 {
						t.Errorf("%d bytes more are held for who does not listen", held)
					}
					withdraw()
					synctest.Wait()
					announce(t, t.Context(), mux, "comes", "restarts")
					server.Thaw()

					in.expect("comes", "moves", "restarts", "stays")
					if most := 500; in.steps > most { // those of a batch were under way
						t.Errorf("told in %d steps", in.steps)
					}
					if v == api.Lite06 && in.live["moves"].Warm != 10_000 { // 9,999 and the link's
						t.Errorf("it is told to have moved to %v", in.live["moves"])
					}
				})
			})
		}
	}
}

// churn publishes and ends broadcasts, restarts another one as often, and
// changes the costs of "moves" each time. It waits for the goroutines that
// this starts, because the runtime keeps as many as there were at a time.
func churn(t *testing.T, mux *api.TrackMux, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		ctx, end := context.WithCancel(t.Context())
		announce(t, ctx, mux, manyPath(i), "flaps")
		end()
		if err := mux.Update(api.Announcement{Path: "moves", Warm: uint64(i)}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			synctest.Wait()
		}
	}
	synctest.Wait()
}

// grown returns how much more memory is in use after f.
func grown(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestManyAnnouncements announces 100,000 broadcasts to one session: half
// exist when it asks, half come as a burst while it reads. Then half end, and
// some come back.
func TestManyAnnouncements(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				server := moqtest.NewServer(mux)
				defer server.Close()
				s := dial(t, server, v, api.NewTrackMux())
				passing, end := context.WithCancel(t.Context())
				even, odd := manyPaths(0, manyBroadcasts, 2), manyPaths(1, manyBroadcasts, 2)

				announce(t, t.Context(), mux, even...)
				in := interested(t, s, "room")
				go func() {
					for _, path := range odd {
						if err := mux.PublishFunc(passing, path, nothing); err != nil {
							t.Error(err)
						}
					}
				}()
				if n := len(in.settle()); n != manyBroadcasts || in.steps != manyBroadcasts {
					t.Errorf("told of %d broadcasts in %d steps, want %d", n, in.steps, manyBroadcasts)
				}
				end()
				synctest.Wait()
				back := odd[:manyBroadcasts/10]
				announce(t, t.Context(), mux, back...)
				want := slices.Concat(even, back)
				slices.Sort(want)
				in.expect(want...)
			})
		})
	}
}

// manyPaths returns the paths of a range.
func manyPaths(from, to, step int) (paths []api.BroadcastPath) {
	for i := from; i < to; i += step {
		paths = append(paths, manyPath(i))
	}
	return paths
}
