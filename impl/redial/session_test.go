package redial_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
)

// TestAsksTheSessionBeneath for what the Session itself does not know.
func TestAsksTheSessionBeneath(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		under := mocks.NewMockSession(ctrl)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		bitrates := mocks.NewMockBitrateReader(ctrl)
		under.EXPECT().Context().Return(ctx).AnyTimes()
		under.EXPECT().GoneAway().Return(gone).AnyTimes()
		under.EXPECT().State().Return(api.SessionState{Version: api.Lite05}).AnyTimes()
		under.EXPECT().Stats().Return(api.SessionStats{RTT: time.Second}).AnyTimes()
		under.EXPECT().GoAway("there").Return(api.ErrNotSupported)
		under.EXPECT().Probe(gomock.Any()).Return(bitrates, nil)
		under.EXPECT().TrackInfo(gomock.Any(), api.BroadcastPath("a"), api.TrackName("b")).Return(api.TrackInfo{Priority: 3}, nil)
		under.EXPECT().Terminate(api.SessionNoError, "").DoAndReturn(func(api.SessionErrorCode, string) error {
			cancel()
			return nil
		}).MinTimes(1)
		d := mocks.NewMockDialer(ctrl)
		mux := api.NewTrackMux()
		d.EXPECT().Dial(gomock.Any(), "moqt://host", mux).Return(under, nil)
		s := dial(t, d, "moqt://host", redial.Policy{}, mux)
		if s.State().Version != api.Lite05 || s.Stats().RTT != time.Second || s.GoneAway() != (<-chan struct{})(gone) {
			t.Error("state, statistics or the wish to leave are others")
		}
		if err := s.GoAway("there"); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("goaway: %v", err)
		}
		if r, err := s.Probe(t.Context()); r != api.BitrateReader(bitrates) || err != nil {
			t.Errorf("probe: %v, %v", r, err)
		}
		if info, err := s.TrackInfo(t.Context(), "a", "b"); info.Priority != 3 || err != nil {
			t.Errorf("track info: %+v, %v", info, err)
		}
		_ = s.Terminate(api.SessionNoError, "")
	})
}

// TestRequestsGoOn: a session ends, in some way, before it has answered. The
// request goes to the next one.
func TestRequestsGoOn(t *testing.T) {
	for _, c := range []struct {
		name     string
		end      func(t *testing.T, first *node)
		versions []api.Version
	}{
		{"lost", func(_ *testing.T, first *node) { first.Sever() }, nil},
		{"told to go", func(t *testing.T, first *node) { first.goAway(t, "") }, withOrigins},
		{"shut down", func(t *testing.T, first *node) {
			// There is a track that does not end until its session does.
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			go func() {
				defer cancel()
				_ = first.Config.Shutdown(ctx)
			}()
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				const far = 500 * time.Millisecond
				cam := newCamera(t, api.TrackInfo{}, live.Limits{})
				first, second := newNode(cam.mux, nil, far), newNode(cam.mux, nil, far)
				defer first.Close()
				defer second.Close()
				n := newNetwork()
				n.add("1", first, v)
				s := dial(t, n, address("1"), quick(), nil)
				defer s.Terminate(api.SessionNoError, "")
				_ = read(t, subscribe(t, s, nil))
				n.add("1", second, v)
				time.Sleep(time.Second)
				time.AfterFunc(far/2, func() { c.end(t, first) })
				// The request and the end meet on the way.
				r := subscribe(t, s, nil)
				if _, err := r.AcceptGroup(t.Context()); err != nil {
					t.Error(err)
				}
				if len(n.ports()) != 2 {
					t.Errorf("dialled %v", n.ports())
				}
				cam.stop()
			}, c.versions...)
		})
	}
}

// TestFetchHoldsSession: a fetch is not cut off when the peer sends a GOAWAY.
func TestFetchHoldsSession(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(g api.GroupReader) error // reads a group that ends to its end
	}{
		{"read by frames", func(g api.GroupReader) error { return g.ReadFrame(new(api.Frame)) }},
		{"read by parts", func(g api.GroupReader) error { _, _, err := g.NextFrame(); return err }},
		{"cancelled", func(g api.GroupReader) error { g.Cancel(api.StreamCancelled); return io.EOF }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux, finish := api.NewTrackMux(), make(chan struct{})
				err := mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
					_ = w.WriteFrame(api.Frame{Payload: []byte("one")})
					<-finish
					_ = w.Close()
				}})
				if err != nil {
					t.Fatal(err)
				}
				server, n, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := g.ReadFrame(new(api.Frame)); err != nil {
					t.Fatal(err)
				}
				server.goAway(t, "")
				time.Sleep(10 * time.Second)
				if err := n.session(0).Context().Err(); err != nil || len(n.ports()) != 2 {
					t.Fatalf("the session of the fetch has ended: %v", context.Cause(n.session(0).Context()))
				}
				close(finish)
				if err := c.end(g); err != io.EOF {
					t.Errorf("it ended with %v", err)
				}
				time.Sleep(time.Second)
				if n.session(0).Context().Err() == nil {
					t.Error("the session that was left has not drained")
				}
			}, api.Lite05, api.Lite06)
		})
	}
}

// TestClientShutdown waits until what is being read has ended.
func TestClientShutdown(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		server := newNode(cam.mux, nil, 0)
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}}
		s := dial(t, client, server.URL, quick(), nil)
		in := read(t, subscribe(t, s, nil))
		time.AfterFunc(3*time.Second, cam.stop)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := client.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		in.awaitEnd(t)
		in.check(t)
		<-s.Context().Done()
		if err := context.Cause(s.Context()); !errors.Is(err, api.ErrClientClosed) {
			t.Errorf("the session ended with %v", err)
		}
	})
}
