package relay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

func idle(w api.TrackWriter) { <-w.Context().Done() }

// TestAnnouncementStreamIsReset while the session stands: the relay asks for
// the announcements again. What is still there was never gone, what has ended
// meanwhile is withdrawn, and what has come is announced.
func TestAnnouncementStreamIsReset(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, r := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				brief, end := context.WithCancel(t.Context())
				_ = mux.PublishFunc(t.Context(), "stays", idle)
				_ = mux.PublishFunc(brief, "ends", idle)
				publisher := dial(t, server, v, mux)
				time.Sleep(2 * time.Second)
				heard, err := r.Mux().Announcements(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				await(t, heard, "stays", api.AnnouncementActive)
				server.ResetStreams(uint64(api.StreamInternal))
				end()
				_ = mux.PublishFunc(t.Context(), "comes", idle)
				time.Sleep(10 * time.Second)
				if err := context.Cause(publisher.Context()); err != nil {
					t.Fatalf("the session is lost: %v", err)
				}
				for path, want := range map[api.BroadcastPath]bool{"stays": true, "comes": true, "ends": false} {
					if _, err := r.Mux().Lookup(path); (err == nil) != want {
						t.Errorf("%s: %v", path, err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				for a, err := range api.Announcements(ctx, heard) {
					if err == nil && a.Path == "stays" {
						t.Errorf("heard %v of what was there all the time", a.Status)
					}
				}
			})
		})
	}
}

// An asked is a session whose announcements are scripted.
type asked struct {
	api.Session
	times    int
	announce func() (api.AnnouncementReader, error)
}

func (a *asked) Announcements(context.Context, string) (api.AnnouncementReader, error) {
	a.times++
	return a.announce()
}

// listenTo makes a relay follow a session with scripted announcements, in which
// "room" is active until the first stream ends.
func listenTo(t *testing.T, end error, then func() (api.AnnouncementReader, error)) (*relay.Relay, *asked) {
	t.Helper()
	server := moqtest.NewServer(api.NewTrackMux())
	t.Cleanup(server.Close)
	s := &asked{Session: dial(t, server, api.Lite06, api.NewTrackMux())}
	s.announce = func() (api.AnnouncementReader, error) {
		s.announce = then
		var set api.AnnouncementSet
		set.Add(api.Announcement{Path: "room", Hops: []api.Hop{4711}})
		set.Complete()
		time.AfterFunc(time.Second, func() { set.End(end) })
		return set.Reader(""), nil
	}
	r := relay.New()
	t.Cleanup(func() { _ = r.Close() })
	go r.Handler(s)
	synctest.Wait()
	if _, err := r.Mux().Lookup("room"); err != nil {
		t.Fatal(err)
	}
	return r, s
}

// TestAnnouncementsEnd regularly: the relay does not ask again.
func TestAnnouncementsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := listenTo(t, nil, nil)
		time.Sleep(time.Minute)
		if _, err := r.Mux().Lookup("room"); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("after the end of the set: %v", err)
		}
		if s.times != 1 {
			t.Errorf("asked %d times", s.times)
		}
	})
}

// TestAnnouncementsStayLost on a session that stands: its broadcasts are given
// up after a while, and it is not asked too often.
func TestAnnouncementsStayLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := &api.StreamError{Code: api.StreamInternal, Remote: true}
		r, s := listenTo(t, lost, func() (api.AnnouncementReader, error) { return nil, lost })
		time.Sleep(5 * time.Second)
		if _, err := r.Mux().Lookup("room"); err != nil {
			t.Errorf("soon after the loss: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := r.Mux().Lookup("room"); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("a minute after the loss: %v", err)
		}
		synctest.Wait()
		if s.times < 10 || s.times > 20 {
			t.Errorf("asked %d times within a minute", s.times)
		}
	})
}

// TestAnnouncementsAreForbidden from now on: the relay does not ask again, and
// what was announced is withdrawn.
func TestAnnouncementsAreForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &api.StreamError{Code: api.StreamUnauthorized, Remote: true}
		r, s := listenTo(t, refused, nil)
		time.Sleep(time.Minute)
		if _, err := r.Mux().Lookup("room"); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("after the refusal: %v", err)
		}
		if s.times != 1 {
			t.Errorf("asked %d times", s.times)
		}
	})
}
