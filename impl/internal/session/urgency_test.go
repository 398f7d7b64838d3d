package session_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// TestGroupsOfEqualRankTakeTurns: two tracks write a group each, for which the peer gives
// no more credit. One group began so soon after another that its writer wrote it
// directly, and it was never queued.
func TestGroupsOfEqualRankTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, other := api.NewTrackMux(), make(chan struct{})
		publishFunc(t, mux, "a", func(w api.TrackWriter) {
			before := openGroup(t, w)
			_ = before.WriteFrame(api.Frame{Payload: []byte("x")})
			_ = before.Close()
			synctest.Wait()
			g := openGroup(t, w)
			_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
			time.Sleep(time.Second)
			_ = g.(api.SharedWriter).WriteSharedFrame(&api.SharedFrame{Frame: api.Frame{Payload: make([]byte, 60_000)}})
			<-w.Context().Done()
		})
		publishFunc(t, mux, "b", func(w api.TrackWriter) {
			<-other
			_ = openGroup(t, w).WriteFrame(api.Frame{Payload: make([]byte, 30_000)})
			<-w.Context().Done()
		})
		s, opened, end := overNarrow(t, mux)
		defer end()
		for _, path := range []api.BroadcastPath{"a", "b"} {
			if _, err := s.Subscribe(t.Context(), path, "track", nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		close(other)
		synctest.Wait()
		<-opened
		if a, b := urgency(<-opened), urgency(<-opened); a != b {
			t.Errorf("urgencies %d and %d of the newest groups of two tracks", a, b)
		}
	})
}

// TestLastPacketOfAGroupThatWaited: the last packet of a group that had to wait is sent
// before newer groups, though the group is over once the transport has all of it.
func TestLastPacketOfAGroupThatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, read := api.NewTrackMux(), make(chan struct{})
		publishFunc(t, mux, "a", func(w api.TrackWriter) {
			g := openGroup(t, w)
			_ = g.WriteFrame(api.Frame{Payload: make([]byte, 30_000)})
			<-read
			_ = g.Close()
			<-w.Context().Done()
		})
		s, opened, end := overNarrow(t, mux)
		defer end()
		r, err := s.Subscribe(t.Context(), "a", "track", nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		st := <-opened
		if u := urgency(st); u != transport.DefaultUrgency {
			t.Errorf("urgency %d of the only group", u)
		}
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the write is over
		close(read)
		if err := g.ReadFrame(&f); err != io.EOF {
			t.Errorf("the group ends with %v", err)
		}
		if u := urgency(st); u >= transport.DefaultUrgency {
			t.Errorf("urgency %d of the end of a group that has waited", u)
		}
	})
}

func publishFunc(t *testing.T, mux *api.TrackMux, path api.BroadcastPath, serve func(api.TrackWriter)) {
	t.Helper()
	if err := mux.PublishFunc(t.Context(), path, serve); err != nil {
		t.Fatal(err)
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

// overNarrow returns a session over streams with a window of 10,000 bytes, and the streams
// that the other end opens.
func overNarrow(t *testing.T, mux *api.TrackMux) (s api.Session, opened <-chan transport.SendStream, end func()) {
	t.Helper()
	narrow := &memconn.Config{StreamWindow: 10_000}
	client, server := memconn.Pipe(string(api.Lite04), narrow, narrow) // which sends no SETUP
	streams := make(chan transport.SendStream, 16)
	s, end = overConns(t, client, &acceptingConn{Conn: server, opened: streams}, mux)
	return s, streams, end
}
