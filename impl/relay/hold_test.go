package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// event is an announcement of "room", and its time.
type event struct {
	status api.AnnouncementStatus
	at     time.Duration
	origin api.Hop
}

// roomEvents returns what is announced of "room" within a time.
func roomEvents(t *testing.T, r api.AnnouncementReader, within time.Duration) (events []event) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		a, err := r.Receive(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		if a.Path == "room" {
			events = append(events, event{a.Status, time.Since(began), a.Origin()})
		}
	}
}

func statusesOf(events []event) (statuses []api.AnnouncementStatus) {
	for _, e := range events {
		statuses = append(statuses, e.status)
	}
	return statuses
}

// A stage is a relay with one publisher of "room", whose hop is 4711, and a
// reader of its announcements.
type stage struct {
	publisher api.Session
	mux       *api.TrackMux
	withdraw  context.CancelFunc
	heard     api.AnnouncementReader
	connect   func(hop api.Hop) api.Session
}

func onStage(t *testing.T, v api.Version, act func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		s := &stage{mux: api.NewTrackMux()}
		ctx, cancel := context.WithCancel(t.Context())
		s.withdraw = cancel
		_ = s.mux.PublishFunc(ctx, "room", idle)
		s.connect = func(hop api.Hop) api.Session {
			client := server.Client()
			client.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
			session, err := client.Dial(t.Context(), server.URL, s.mux)
			if err != nil {
				t.Fatal(err)
			}
			return session
		}
		s.publisher = s.connect(4711)
		s.heard = announcements(t, dial(t, server, api.Lite06, api.NewTrackMux()))
		await(t, s.heard, "room", api.AnnouncementActive)
		act(t, s)
	})
}

// TestWithdrawalIsHeld for a while, whether the session is lost or not.
func TestWithdrawalIsHeld(t *testing.T) {
	for name, withdraw := range map[string]func(s *stage){
		"session lost": func(s *stage) { _ = s.publisher.Terminate(api.SessionNoError, "") },
		"withdrawn":    func(s *stage) { s.withdraw() },
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, api.Lite06, func(t *testing.T, s *stage) {
				withdraw(s)
				events := roomEvents(t, s.heard, 5*time.Second)
				if len(events) != 1 || events[0].status != api.AnnouncementEnded {
					t.Fatalf("heard %v", events)
				}
				if at := events[0].at; at < 500*time.Millisecond || at > time.Second {
					t.Errorf("told after %v", at)
				}
			})
		})
	}
}

// TestBriefReconnect: for readers of announcements, the broadcast was never
// gone.
func TestBriefReconnect(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			onStage(t, v, func(t *testing.T, s *stage) {
				for range 3 {
					_ = s.publisher.Terminate(api.SessionNoError, "")
					time.Sleep(400 * time.Millisecond)
					s.publisher = s.connect(4711)
					for _, e := range roomEvents(t, s.heard, 3*time.Second) {
						if e.status != api.AnnouncementUpdated {
							t.Errorf("heard %v", e)
						}
					}
				}
			})
		})
	}
}

// TestAnotherOriginWithinTheHold is announced at once, as another broadcast.
func TestAnotherOriginWithinTheHold(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			onStage(t, v, func(t *testing.T, s *stage) {
				_ = s.publisher.Terminate(api.SessionNoError, "")
				time.Sleep(200 * time.Millisecond)
				s.connect(4712)
				events := roomEvents(t, s.heard, 3*time.Second)
				if !slices.Equal(statusesOf(events), []api.AnnouncementStatus{api.AnnouncementEnded, api.AnnouncementActive}) {
					t.Fatalf("heard %v", events)
				}
				if e := events[1]; e.at > 100*time.Millisecond || e.origin != 4712 {
					t.Errorf("heard %v", e)
				}
			})
		})
	}
}

// TestPublishedAnew by the session that has withdrawn it: that is a restart,
// and announced at once.
func TestPublishedAnew(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			onStage(t, v, func(t *testing.T, s *stage) {
				s.withdraw()
				time.Sleep(200 * time.Millisecond)
				_ = s.mux.PublishFunc(t.Context(), "room", idle)
				events := roomEvents(t, s.heard, 3*time.Second)
				if !slices.Equal(statusesOf(events), []api.AnnouncementStatus{api.AnnouncementEnded, api.AnnouncementActive}) {
					t.Fatalf("heard %v", events)
				}
				if e := events[1]; e.at > 100*time.Millisecond {
					t.Errorf("heard %v", e)
				}
			})
		})
	}
}

// TestReadersGoOnAfterABriefReconnect of the publisher, without a loss.
func TestReadersGoOnAfterABriefReconnect(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 40)
				publisher := c.connect(t, server, v)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				r := subscribe(t, s, nil)
				go func() {
					time.Sleep(1050 * time.Millisecond) // between two groups
					_ = publisher.Terminate(api.SessionNoError, "")
					time.Sleep(300 * time.Millisecond)
					c.connect(t, server, v)
				}()
				seen, err := numbers(t, r)
				if err != nil {
					t.Fatalf("after groups %v: %v", seen, err)
				}
				if len(seen) != 40 {
					t.Errorf("groups %v, want all 40; gaps %v", seen, r.Gaps())
				}
			})
		})
	}
}

// TestSubscribeWhileHeld waits for the publisher to be back, for as long as the
// withdrawal is held.
func TestSubscribeWhileHeld(t *testing.T) {
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprint("back ", back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 40)
				publisher := c.connect(t, server, api.Lite06)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				_ = publisher.Terminate(api.SessionNoError, "")
				synctest.Wait()
				if back {
					time.AfterFunc(300*time.Millisecond, func() { c.connect(t, server, api.Lite06) })
				}
				began := time.Now()
				r, err := s.Subscribe(t.Context(), "room", "video", nil)
				if back {
					if err != nil {
						t.Fatal(err)
					}
					if seen, err := numbers(t, r); err != nil || seen[len(seen)-1] != 39 {
						t.Errorf("groups %v, %v", seen, err)
					}
					return
				}
				if took := time.Since(began); !errors.Is(err, api.ErrNotFound) || took > time.Second {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}
