package moqtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// endless writes a frame every 100 ms into one group, until the subscription
// ends.
func endless(w api.TrackWriter) {
	g, err := w.OpenGroup(w.Context())
	if err != nil {
		return
	}
	for {
		select {
		case <-time.After(100 * time.Millisecond):
			if g.WriteFrame(api.Frame{Payload: []byte("tick")}) != nil {
				return
			}
		case <-w.Context().Done():
			return
		}
	}
}

// subscribed starts a server with a track and reads its first frame.
func subscribed(t *testing.T, start func(*moqtest.Server), f func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "room", endless); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewUnstartedServer(mux)
		defer server.Close()
		start(server)
		server.Start()
		s, err := server.Client().Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := g.ReadFrame(new(api.Frame)); err != nil {
			t.Fatal(err)
		}
		f(t, server, s, g)
	})
}

func plain(*moqtest.Server) {}

func TestFreeze(t *testing.T) {
	subscribed(t, plain, func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader) {
		server.Freeze()
		began := time.Now()
		time.AfterFunc(time.Hour, server.Thaw)
		for range 3 { // what was under way may still come
			if err := g.ReadFrame(new(api.Frame)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < time.Hour {
			t.Errorf("a frozen server answered after %v", took)
		}
	})
}

func TestResetStreams(t *testing.T) {
	subscribed(t, plain, func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader) {
		server.ResetStreams(77)
		var err error
		for err == nil {
			err = g.ReadFrame(new(api.Frame))
		}
		reset, ok := errors.AsType[*api.StreamError](err)
		if !ok || reset.Code != 77 || !reset.Remote {
			t.Errorf("the group ended with %v", err)
		}
		if s.Context().Err() != nil {
			t.Errorf("the session ended: %v", context.Cause(s.Context()))
		}
	})
}

func TestCloseConnections(t *testing.T) {
	subscribed(t, plain, func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader) {
		server.CloseConnections(uint64(api.SessionApplication)+5, "enough")
		<-s.Context().Done()
		err := context.Cause(s.Context())
		ended, ok := errors.AsType[*api.SessionError](err)
		if !ok || ended.Code != api.SessionApplication+5 || ended.Reason != "enough" || !ended.Remote {
			t.Errorf("the session ended with %v", err)
		}
	})
}

func TestSever(t *testing.T) {
	subscribed(t, plain, func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader) {
		server.Sever()
		<-s.Context().Done()
		err := context.Cause(s.Context())
		ended, ok := errors.AsType[*api.SessionError](err)
		if !ok || ended.Err == nil {
			t.Errorf("the session ended with %v", err)
		}
	})
}

func TestDelay(t *testing.T) {
	subscribed(t, func(s *moqtest.Server) { s.Delay = 300 * time.Millisecond }, func(t *testing.T, server *moqtest.Server, s api.Session, g api.GroupReader) {
		began := time.Now()
		if _, err := s.TrackInfo(t.Context(), "room", "video"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 600*time.Millisecond || took > 700*time.Millisecond {
			t.Errorf("a question and its answer took %v over a path of 2 × 300 ms", took)
		}
	})
}

// TestLink measures a transfer over a link of 3 Mbit/s, 40 ms and 1 % loss.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		mux := api.NewTrackMux()
		err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: make([]byte, size)})
			_ = g.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewUnstartedServer(mux)
		server.Link = &moqtest.Link{Rate: 3_000_000, Delay: 40 * time.Millisecond, Loss: 0.01, Seed: 1}
		server.Start()
		defer server.Close()
		s, err := server.Client().Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range api.Frames(t.Context(), g, nil) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		rate := size * 8 / time.Since(began).Seconds()
		if rate > 3_000_000 || rate < 300_000 {
			t.Errorf("%.0f bit/s over a link of 3,000,000", rate)
		}
		if s.Stats().RTT < 80*time.Millisecond {
			t.Errorf("RTT %v over a link of 2 × 40 ms", s.Stats().RTT)
		}
		server.Link.SetLoss(1)
		<-s.Context().Done()
		if err := context.Cause(s.Context()); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("in a blackout the session ended with %v", err)
		}
	})
}

func TestSockets(t *testing.T) {
	transporttest.NoLeaks(t)
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "room", endless); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewUnstartedServer(mux)
	server.StartSockets()
	defer server.Close()
	for url, transport := range map[string]string{server.URL: "quic", server.WebTransportURL(): "webtransport"} {
		s, err := server.Client().Dial(t.Context(), url, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.State().Transport; got != transport {
			t.Errorf("%s is reached over %s", url, got)
		}
	}
}
