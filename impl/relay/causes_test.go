package relay_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestUpstreamEndsAreNotTheViewers ends a publisher's session with every cause.
// The viewer, whose own session stands, must not get it as the end of its own.
func TestUpstreamEndsAreNotTheViewers(t *testing.T) {
	for _, code := range []api.SessionErrorCode{
		api.SessionNoError, api.SessionInternal, api.SessionUnauthorized, api.SessionProtocolViolation,
		api.SessionGoAwayTimeout, api.SessionControlTimeout, api.SessionApplication + 6,
	} {
		for _, v := range []api.Version{api.Lite04, api.Lite06} {
			t.Run(fmt.Sprintf("%v, %s", code, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					cam := connectTwin(t, server, v, 4711)
					s := dial(t, server, v, api.NewTrackMux())
					time.Sleep(time.Second)
					go write(t, 0, 100, cam)
					r := subscribe(t, s, nil)
					go func() {
						time.Sleep(time.Second)
						_ = cam.session.Terminate(code, "")
					}()
					_, err := numbers(t, r)
					expectUnroutable(t, err)
				})
			})
		}
	}
}

// TestHopCodesAreNotPassedOn: a publisher ends its track with codes that
// concern its own hop.
func TestHopCodesAreNotPassedOn(t *testing.T) {
	for _, code := range []api.StreamErrorCode{
		api.StreamSessionClosed, api.StreamGoingAway, api.StreamUnroutable, api.StreamControlTimeout, api.StreamNoCapacity,
	} {
		t.Run(code.String(), func(t *testing.T) { expectUnroutable(t, endWith(t, code)) })
	}
}

// TestCodesOfContentsArePassedOn: a publisher ends its track with codes that
// are about the track.
func TestCodesOfContentsArePassedOn(t *testing.T) {
	for _, code := range []api.StreamErrorCode{
		api.StreamNotFound, api.StreamUnauthorized, api.StreamCancelled, api.StreamInternal, api.StreamApplication + 6,
	} {
		t.Run(code.String(), func(t *testing.T) {
			err := endWith(t, code)
			reset, ok := errors.AsType[*api.StreamError](err)
			if !ok || reset.Code != code || !reset.Remote {
				t.Errorf("the track ends with %v, want %v", err, code)
			}
		})
	}
}

// endWith returns how a viewer's track ends when the publisher ends it with a
// code.
func endWith(t *testing.T, code api.StreamErrorCode) (end error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) { _ = w.CloseWithError(code) })
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		time.Sleep(time.Second)
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if end = err; err == nil {
			_, end = numbers(t, r)
		}
	})
	return end
}

// TestFetchCausesAreOfTheRelay fetches through a relay from a publisher that
// leaves meanwhile.
func TestFetchCausesAreOfTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		fetched, over := make(chan struct{}), make(chan struct{})
		defer close(over)
		_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(api.GroupWriter, api.FetchRequest) {
			close(fetched)
			<-over
		}})
		publisher := dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		time.Sleep(time.Second)
		go func() {
			<-fetched
			_ = publisher.Terminate(api.SessionGoAwayTimeout, "")
		}()
		_, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 7})
		expectUnroutable(t, err)
	})
}

func expectUnroutable(t *testing.T, err error) {
	t.Helper()
	reset, ok := errors.AsType[*api.StreamError](err)
	if !ok || reset.Code != api.StreamUnroutable || !reset.Remote {
		t.Errorf("the viewer learns %v, want unroutable", err)
	}
}
