package redial_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// TestGapsBelongToTheirNumbers: the next origin reports a gap before the reader
// gets the RestartError, and after that. The reader is told of it only when it
// asks for the groups that follow.
func TestGapsBelongToTheirNumbers(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := newNode(publishes(t, func(w api.TrackWriter) error { return writeGroup(w, 0) }), nil, 0)
		defer server.Close()
		n, s := viewer(t, server, v, quick())
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		if _, err := r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := newNode(publishes(t, func(w api.TrackWriter) error {
			gap := api.Gap{Start: 1, End: 12, Err: &api.StreamError{Code: api.StreamEvicted}}
			return errors.Join(writeGroup(w, 0), w.(api.GapWriter).WriteGap(gap), writeGroup(w, 12))
		}), nil, 0)
		defer second.Close()
		n.add("1", second, v)
		server.Sever()
		time.Sleep(10 * time.Second)
		if gaps := r.Gaps(); gaps != nil {
			t.Errorf("gaps before the restart: %v", gaps)
		}
		if _, err := r.AcceptGroup(t.Context()); !errors.Is(err, api.ErrRestarted) {
			t.Fatalf("then came %v", err)
		}
		time.Sleep(2 * time.Second)
		if gaps := r.Gaps(); gaps != nil {
			t.Errorf("gaps with the restart: %v", gaps)
		}
		for _, want := range []api.GroupSequence{0, 12} {
			if g, err := r.AcceptGroup(t.Context()); err != nil || g.Sequence() != want {
				t.Fatalf("group %v, %v; want %d", g, err, want)
			}
		}
		time.Sleep(2 * time.Second)
		if gaps := r.Gaps(); len(gaps) != 1 || gaps[0].Start != 1 || gaps[0].End != 12 {
			t.Errorf("gaps after the restart: %v", gaps)
		}
	})
}

// TestCutOffGroupIsTold replaces a publisher while one of its groups waits for
// a reader that does not ask for it in time: it is reported as lost.
func TestCutOffGroupIsTold(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := startRelay(0)
		defer server.Close()
		newPublisher(t, "one").connect(t, server, v, 0)
		_, s := viewer(t, server, v, quick())
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(100 * time.Millisecond)
		r := subscribe(t, s, nil)
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := g.Sequence()
		time.Sleep(time.Second) // the next one waits
		newPublisher(t, "two").connect(t, server, v, 0)
		time.Sleep(3 * time.Second)
		if _, err := r.AcceptGroup(t.Context()); !errors.Is(err, api.ErrRestarted) {
			t.Fatalf("then came %v", err)
		}
		gaps := r.Gaps()
		if len(gaps) != 1 || gaps[0].Start != last+1 || !errors.Is(gaps[0].Err, api.ErrRestarted) {
			t.Errorf("after group %d, told as lost are %v", last, gaps)
		}
	})
}

// TestGroupAtTheLastIsTold ends a session for good while a group waits for its
// reader: when the reader gets the error, the group is reported as lost.
func TestGroupAtTheLastIsTold(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer cam.stop()
		server, _, s := single(t, cam.mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := g.Sequence()
		time.Sleep(time.Second)
		throwOut(t, server)
		<-r.Context().Done()
		if _, err := r.AcceptGroup(t.Context()); !errors.Is(err, api.ErrUnauthorized) {
			t.Fatalf("then came %v", err)
		}
		if gaps := r.Gaps(); len(gaps) == 0 || gaps[0].Start != last+1 || !errors.Is(gaps[0].Err, api.ErrUnauthorized) {
			t.Errorf("after group %d, told as lost are %v", last, gaps)
		}
	})
}

// TestMissingHeadIsTold asks for groups of which the first ones are missing,
// and loses the session before its peer has reported that, as a relay that has
// to look for them does: they are reported as lost.
func TestMissingHeadIsTold(t *testing.T) {
	for _, c := range []struct {
		name     string
		leave    func(t *testing.T, server *node)
		versions []api.Version
	}{
		{"lost", sever, api.Versions()},
		{"told to go", tell, withOrigins},
		{"for good", throwOut, api.Versions()},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				first := new(atomic.Int64)
				first.Store(5)
				server := newNode(publishes(t, func(w api.TrackWriter) error {
					seq := api.GroupSequence(first.Swap(7))
					return errors.Join(writeGroup(w, seq), writeGroup(w, seq+1))
				}), nil, 0)
				defer server.Close()
				_, s := viewer(t, server, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				r := subscribe(t, s, &api.SubscribeConfig{StartGroup: 2})
				seen := read(t, r)
				time.Sleep(time.Second)
				if lost := seen.lost(); lost != nil {
					t.Errorf("told as lost before: %v", lost)
				}
				c.leave(t, server)
				time.Sleep(20 * time.Second)
				if lost := seen.lost(); !slices.Equal(lost, []api.GroupSequence{2, 3, 4}) {
					t.Errorf("told as lost: %v", lost)
				}
			}, c.versions...)
		})
	}
}

// throwOut ends all sessions of a server for good.
func throwOut(_ *testing.T, server *node) {
	for _, s := range server.all() {
		_ = s.Terminate(api.SessionUnauthorized, "out")
	}
}

// TestOpenGroupBreaksOffAfterTheMove: the peer sends a GOAWAY, and the newest
// group comes over both sessions. It is read over the one that was left, and
// goes on over the other when it breaks off with that one.
func TestOpenGroupBreaksOffAfterTheMove(t *testing.T) {
	for _, before := range []bool{true, false} {
		name := map[bool]string{true: "after another group", false: "as the first"}[before]
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) { breaksOffAfterTheMove(t, v, before) }, withOrigins...)
		})
	}
}

func breaksOffAfterTheMove(t *testing.T, v api.Version, before bool) {
	b, mux := new(live.Broadcast), api.NewTrackMux()
	track := b.Track("video", api.TrackInfo{MaxLatency: time.Minute})
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	start := func(delay time.Duration) *node {
		server := newUnstartedNode(mux, nil, delay)
		server.Config.Config = &api.Config{Hop: cameraHop}
		server.Start()
		t.Cleanup(server.Close)
		return server
	}
	first, second := start(0), start(100*time.Millisecond)
	n, s := viewer(t, first, v, quick())
	n.add("2", second, v)
	defer s.Terminate(api.SessionNoError, "")
	r := subscribe(t, s, nil)
	if before {
		put(t, track, "0")
		accept(t, r)
	}
	asked := make(chan api.GroupReader, 1)
	go func() {
		if g, err := r.AcceptGroup(t.Context()); err == nil {
			asked <- g
		}
	}()
	time.Sleep(time.Second)
	first.goAway(t, address("2"))
	time.Sleep(time.Second) // it has subscribed over both
	open, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	frame := func(text string) { _ = open.WriteFrame(api.Frame{Timestamp: 1, Payload: []byte(text)}) }
	frame("one")
	g := <-asked
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	first.Sever()
	if err := g.ReadFrame(&f); err == nil || err == io.EOF {
		t.Errorf("the group ended with %v", err)
	}
	frame("two")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	next, err := r.AcceptGroup(ctx)
	if err != nil {
		t.Fatalf("group %d does not come again: %v", g.Sequence(), err)
	}
	if err := next.ReadFrame(&f); next.Sequence() != g.Sequence() || err != nil || string(f.Payload) != "two" {
		t.Errorf("group %d, %q, %v; want the rest of group %d", next.Sequence(), f.Payload, err, g.Sequence())
	}
}

// accept reads a group to its end.
func accept(t *testing.T, r api.TrackReader) {
	t.Helper()
	g, err := r.AcceptGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var f api.Frame
	for err == nil {
		err = g.ReadFrame(&f)
	}
	if err != io.EOF {
		t.Fatal(err)
	}
}
