package apitest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/mocks"
)

// TestSessionAnnounces checks that every reader is told what is announced, what
// changes, and the end of the session.
func TestSessionAnnounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.Session(nil, apitest.Active("room/a"), apitest.Active("other"))
		for range 2 {
			r, err := s.Announcements(t.Context(), "room")
			if err != nil {
				t.Fatal(err)
			}
			want := func(path api.BroadcastPath, status api.AnnouncementStatus) {
				t.Helper()
				if a, err := r.Receive(t.Context()); a.Path != path || a.Status != status || err != nil {
					t.Fatalf("told %+v, %v; want %s, %v", a, err, path, status)
				}
			}
			want("room/a", api.AnnouncementActive)
			want("", api.AnnouncementsComplete)
			s.Announced.Put(apitest.Active("room/b"))
			want("room/b", api.AnnouncementActive)
			s.Announced.Remove("room/b")
			want("room/b", api.AnnouncementEnded)
		}
		r, err := s.Announcements(t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		lost := &api.SessionError{Code: api.SessionInternal, Err: errors.New("timeout")}
		s.End(lost)
		for err == nil {
			_, err = r.Receive(t.Context())
		}
		if !errors.Is(err, lost) || context.Cause(s.Context()) != error(lost) {
			t.Errorf("announcements ended by %v, the session by %v", err, context.Cause(s.Context()))
		}
	})
}

// TestSessionAsks checks which requests come to the subscriber, and how a session
// without one answers.
func TestSessionAsks(t *testing.T) {
	track := apitest.Track(api.TrackInfo{}, nil)
	asked := mocks.NewMockSubscriber(gomock.NewController(t))
	asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room"), api.TrackName("video"), nil).Return(track, nil)
	s := apitest.Session(asked)
	if r, err := s.Subscribe(t.Context(), "room", "video", nil); r != track || err != nil {
		t.Errorf("subscribed to %v, %v", r, err)
	}
	if _, err := s.TrackInfo(t.Context(), ".keepalive", ".keepalive"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a sign of life: %v", err)
	}

	alone := apitest.Session(nil)
	_, subscribed := alone.Subscribe(t.Context(), "room", "video", nil)
	_, fetched := alone.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video"})
	_, described := alone.TrackInfo(t.Context(), "room", "video")
	for _, err := range []error{subscribed, fetched, described} {
		if !errors.Is(err, api.ErrNotFound) {
			t.Errorf("nothing is there: %v", err)
		}
	}
	if _, err := alone.Probe(t.Context()); !errors.Is(err, api.ErrNotSupported) {
		t.Errorf("probe: %v", err)
	}
}

// TestOpenTrack checks that a track waits after its groups, which are returned even
// when the context has ended, until it is closed.
func TestOpenTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := apitest.OpenTrack(api.TrackInfo{Priority: 3}, apitest.Group(7, nil))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if g, err := r.AcceptGroup(ctx); err != nil || g.Sequence() != 7 {
			t.Fatalf("the group: %v, %v", g, err)
		}
		if _, err := r.AcceptGroup(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of the context: %v", err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := r.AcceptGroup(t.Context())
			ended <- err
		}()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("the track has ended: %v", err)
		default:
		}
		_ = r.Close()
		if err := <-ended; !errors.Is(err, api.ErrClosed) || r.Info().Priority != 3 {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestSessionEnds checks a GOAWAY of either side, and that nothing is asked of a
// session that has ended.
func TestSessionEnds(t *testing.T) {
	s := apitest.Session(nil)
	if s.State().GoAway != nil || s.State().URL == nil || s.State().Version != api.Lite06 {
		t.Errorf("the state is %+v", s.State())
	}
	s.AskToLeave("https://other.example")
	<-s.GoneAway()
	if a := s.State().GoAway; a == nil || a.URI != "https://other.example" {
		t.Errorf("asked to leave for %+v", a)
	}
	if first, second := s.GoAway(""), s.GoAway(""); first != nil || second == nil {
		t.Errorf("goaway: %v, and again: %v", first, second)
	}
	if err := s.Terminate(api.SessionInternal, "enough"); err != nil {
		t.Error(err)
	}
	_ = s.Close() // only the first end counts
	_, announced := s.Announcements(t.Context(), "")
	_, subscribed := s.Subscribe(t.Context(), "room", "video", nil)
	for _, err := range []error{announced, subscribed, context.Cause(s.Context())} {
		if ended, ok := errors.AsType[*api.SessionError](err); !ok || ended.Code != api.SessionInternal || ended.Reason != "enough" {
			t.Errorf("after the end: %v", err)
		}
	}
}
