package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
)

// receivedGroups is how many groups each reader has received before its context
// ends.
const receivedGroups = 20

// eachReader calls f with a reader of each implementation of api.TrackReader
// whose track has receivedGroups groups and goes on.
func eachReader(t *testing.T, f func(t *testing.T, r api.TrackReader)) {
	inMemory := map[string]func(t *testing.T) api.TrackReader{
		"live": func(t *testing.T) api.TrackReader {
			b, _ := backlog(t)
			return subscribed(b.Subscribe(t.Context(), "video", nil))
		},
		"apitest": func(*testing.T) api.TrackReader {
			var groups []api.GroupReader
			for seq := range api.GroupSequence(receivedGroups) {
				groups = append(groups, apitest.Group(seq, nil, apitest.Frames("a")...))
			}
			return apitest.Track(api.TrackInfo{}, api.ErrSessionClosed, groups...)
		},
	}
	overSession := map[string]func(t *testing.T, s *moqtest.Server, d api.Dialer) api.TrackReader{
		"session": func(t *testing.T, s *moqtest.Server, d api.Dialer) api.TrackReader {
			return subscribed(dialledTo(t, s, d).Subscribe(t.Context(), "room", "video", nil))
		},
		"redial": func(t *testing.T, s *moqtest.Server, d api.Dialer) api.TrackReader {
			session := dialledTo(t, s, redial.New(d, redial.Policy{}))
			t.Cleanup(func() { _ = session.Terminate(api.SessionNoError, "") })
			return subscribed(session.Subscribe(t.Context(), "room", "video", nil))
		},
		"share": func(t *testing.T, s *moqtest.Server, d api.Dialer) api.TrackReader {
			return subscribed(relay.NewShare(dialledTo(t, s, d)).Subscribe(t.Context(), "room", "video", nil))
		},
	}
	for name, open := range inMemory {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, open(t)) })
		})
	}
	for name, open := range overSession {
		for _, version := range api.Versions() {
			t.Run(fmt.Sprint(name, " ", version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, mux := backlog(t)
					server := moqtest.NewServer(mux)
					defer server.Close()
					client := server.Client()
					client.Config = &api.Config{Versions: []api.Version{version}}
					f(t, open(t, server, client))
				})
			})
		}
	}
}

// backlog returns a live track with groups, and a mux that publishes it.
func backlog(t *testing.T) (*live.Broadcast, *api.TrackMux) {
	t.Helper()
	b := new(live.Broadcast)
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	track := b.Track("video", api.TrackInfo{})
	for range receivedGroups {
		if err := api.WriteGroup(t.Context(), track, apitest.Frames("a")...); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, mux
}

func dialledTo(t *testing.T, server *moqtest.Server, d api.Dialer) api.Session {
	t.Helper()
	s, err := d.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// subscribed returns the reader of a subscription that cannot fail.
func subscribed(r api.TrackReader, err error) api.TrackReader {
	if err != nil {
		panic(err)
	}
	return r
}

// TestReceivedGroupsAreReturned by AcceptGroup even when its context is done, and
// then the context's cause is.
func TestReceivedGroupsAreReturned(t *testing.T) {
	eachReader(t, func(t *testing.T, r api.TrackReader) {
		defer r.Close()
		within, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, err := r.AcceptGroup(within) // the relay's share, and GroupLatest, begin then
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		done, end := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		end(enough)
		readToEnd(t, first)
		for n := 1; n < receivedGroups; n++ {
			g, err := r.AcceptGroup(done)
			if err != nil {
				t.Fatalf("group %d of %d: %v", n, receivedGroups, err)
			}
			readToEnd(t, g)
		}
		if g, err := r.AcceptGroup(done); !errors.Is(err, enough) {
			t.Errorf("when nothing is there any more: %v, %v", g, err)
		}
	})
}

func readToEnd(t *testing.T, g api.GroupReader) {
	t.Helper()
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "a" {
		t.Errorf("group %d: %q, %v", g.Sequence(), f.Payload, err)
	}
	if err := g.ReadFrame(&f); err != io.EOF {
		t.Errorf("group %d ends with %v", g.Sequence(), err)
	}
}
