package redial_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// resets is a session whose announcement streams can be reset alone.
type resets struct {
	api.Session
	mu      sync.Mutex
	readers []api.AnnouncementReader
}

func (s *resets) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	r, err := s.Session.Announcements(ctx, prefix)
	if err != nil {
		return nil, err
	}
	broken := &resettable{AnnouncementReader: r}
	broken.ctx, broken.reset = context.WithCancelCause(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = append(s.readers, broken)
	return broken, nil
}

// reset resets the current announcement streams, and returns how many there
// were.
func (s *resets) reset() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers {
		r.(*resettable).reset(&api.StreamError{Code: api.StreamInternal, Remote: true})
	}
	n = len(s.readers)
	s.readers = nil
	return n
}

// A resettable reader fails when its stream is reset.
type resettable struct {
	api.AnnouncementReader
	ctx   context.Context
	reset context.CancelCauseFunc
}

func (r *resettable) Receive(ctx context.Context) (api.Announcement, error) {
	if r.ctx.Err() != nil {
		return api.Announcement{}, context.Cause(r.ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	return r.AnnouncementReader.Receive(ctx)
}

// TestAnnouncementStreamReset resets only the announcement streams, again and
// again: the session opens others, reports changes when the new set is
// complete, and notices a publisher that is replaced after that.
func TestAnnouncementStreamReset(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := startRelay(0)
		defer server.Close()
		one := newPublisher(t, "one")
		one.connect(t, server, v, 0)
		stop := publish(t, one.mux, "hall/a", "hall/b")
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}}
		var session *resets
		s := dial(t, dialerFunc(func(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
			under, err := client.Dial(ctx, url, mux)
			session = &resets{Session: under}
			return session, err
		}), server.URL, quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		l, _ := listen(t, s, "hall")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		seen := make(chan sequel, 1)
		r := subscribe(t, s, nil)
		go func() { seen <- view(ctx, r) }()
		time.Sleep(time.Second)
		if told, want := l.take(), []string{"active hall/a", "active hall/b", "complete "}; !slices.Equal(told, want) {
			t.Fatalf("told %q, want %q", told, want)
		}
		session.reset()
		stop["hall/a"]()
		publish(t, one.mux, "hall/c")
		time.Sleep(5 * time.Second)
		if n := session.reset(); n != 2 {
			t.Errorf("%d announcement streams, want one for the list and one for the track", n)
		}
		time.Sleep(5 * time.Second)
		told, want := l.take(), []string{"active hall/c", "ended hall/a"}
		if slices.Sort(told); !slices.Equal(told, want) {
			t.Errorf("told %q after the stream was reset, want %q", told, want)
		}
		close(one.silent)
		newPublisher(t, "two").connect(t, server, v, 0)
		time.Sleep(5 * time.Second)
		cancel()
		if seen := <-seen; !slices.Equal(seen.names, []string{"one", "two"}) || len(seen.restarts) != 1 {
			t.Errorf("saw %v, restarted %v, and then %v", seen.names, seen.restarts, seen.err)
		}
		if told := l.take(); told != nil {
			t.Errorf("told %q later", told)
		}
	})
}

// TestAnnouncementStreamRefused: a peer that resets each announcement stream at
// once is asked with growing waits.
func TestAnnouncementStreamRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		publish(t, mux, "room")
		server := moqtest.NewServer(mux)
		defer server.Close()
		asked := 0
		s := dial(t, dialerFunc(func(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
			under, err := server.Client().Dial(ctx, url, mux)
			return &refusing{under, &asked}, err
		}), server.URL, redial.Policy{}, nil)
		defer s.Terminate(api.SessionNoError, "")
		if _, err := s.Announcements(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if asked < 10 || asked > 60 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

// refusing resets each announcement stream at once.
type refusing struct {
	api.Session
	asked *int
}

func (s *refusing) Announcements(context.Context, string) (api.AnnouncementReader, error) {
	*s.asked++
	r := &resettable{}
	r.ctx, r.reset = context.WithCancelCause(context.Background())
	r.reset(&api.StreamError{Code: api.StreamInternal, Remote: true})
	return r, nil
}

// Close implements [api.AnnouncementReader].
func (r *resettable) Close() error {
	if r.AnnouncementReader == nil {
		return nil
	}
	return r.AnnouncementReader.Close()
}
