package redial_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
)

// A logbook is a dialer of one server that records the URLs.
type logbook struct {
	server *node
	client *impl.Client

	mu   sync.Mutex
	urls []string
}

func newLogbook(t *testing.T) *logbook {
	d := &logbook{server: newNode(api.NewTrackMux(), nil, 0)}
	t.Cleanup(d.server.Close)
	d.client = d.server.Client()
	return d
}

func (d *logbook) Dial(ctx context.Context, target string, mux *api.TrackMux) (api.Session, error) {
	d.mu.Lock()
	d.urls = append(d.urls, target)
	d.mu.Unlock()
	return d.client.Dial(ctx, d.server.URL, mux)
}

func (d *logbook) check(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.urls, want) {
		t.Errorf("dialled\n%s\nwant\n%s", strings.Join(d.urls, "\n"), strings.Join(want, "\n"))
	}
}

// numbered returns a Source whose URLs have another token each time.
func numbered() func(context.Context) (string, error) {
	n := 0
	return func(context.Context) (string, error) {
		n++
		return fmt.Sprintf("https://here.example/root?jwt=%d", n), nil
	}
}

// TestSource: each dial has a URL of its own, and a redirect has the newest
// credentials where they belong.
func TestSource(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newLogbook(t)
		policy := quick()
		policy.Source = numbered()
		policy.Redirect = func(*url.URL, *url.URL) bool { return true }
		policy.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		s := dial(t, d, "", policy, nil)
		defer s.Terminate(api.SessionNoError, "")
		lose := func() {
			synctest.Wait()
			d.server.Sever()
			time.Sleep(20 * time.Second)
		}
		move := func(uri string) {
			d.server.goAwayLast(t, uri)
			time.Sleep(20 * time.Second)
		}
		lose()
		move("/other")
		lose() // the redirect still holds
		move("https://there.example")
		move("https://here.example/root")
		move("")
		d.check(t,
			"https://here.example/root?jwt=1",
			"https://here.example/root?jwt=2",
			"https://here.example/other?jwt=3",
			"https://here.example/other?jwt=4",
			"https://there.example/other",
			"https://here.example/root?jwt=6",
			"https://here.example/root?jwt=7")
	})
}

// TestSourceFails: its error is that of a dial, which is tried again after a
// while unless it is permanent.
func TestSourceFails(t *testing.T) {
	errAway := errors.New("the issuer is away")
	inBubble(t, func(t *testing.T) {
		d := newLogbook(t)
		policy := quick()
		var events recorder
		policy.Trace = events.trace()
		fails, source := 3, numbered()
		policy.Source = func(ctx context.Context) (string, error) {
			if fails--; fails >= 0 {
				return "", errAway
			}
			return source(ctx)
		}
		s := dial(t, d, "", policy, nil)
		synctest.Wait()
		d.check(t, "https://here.example/root?jwt=1")
		if n := events.count("dial failed: source of the URL to dial: the issuer is away"); n != 3 {
			t.Errorf("%d dials failed, want 3: %v", n, events.all())
		}
		_ = s.Terminate(api.SessionNoError, "")
	})
	inBubble(t, func(t *testing.T) {
		d := newLogbook(t)
		policy := quick()
		policy.Source = func(context.Context) (string, error) {
			return "", fmt.Errorf("log in again: %w", api.ErrUnauthorized)
		}
		began := time.Now()
		_, err := impl.NewRedialer(d, policy).Dial(t.Context(), "", api.NewTrackMux())
		if !errors.Is(err, api.ErrUnauthorized) || time.Since(began) != 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		d.check(t)
	})
}

// TestSourceEndsWithTheSession: a Source that waits is told when the session
// ends, and when a dial has taken too long.
func TestSourceEndsWithTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newLogbook(t)
		policy := quick()
		policy.DialTimeout = 5 * time.Second
		first, source := true, numbered()
		var ended []error
		policy.Source = func(ctx context.Context) (string, error) {
			if first {
				first = false
				return source(ctx)
			}
			<-ctx.Done()
			ended = append(ended, ctx.Err())
			return source(ctx) // too late
		}
		s := dial(t, d, "", policy, nil)
		synctest.Wait()
		d.server.Sever()
		time.Sleep(7 * time.Second)
		began := time.Now()
		_ = s.Terminate(api.SessionNoError, "")
		if took := time.Since(began); took != 0 {
			t.Errorf("Terminate took %v", took)
		}
		if !slices.Equal(ended, []error{context.DeadlineExceeded, context.Canceled}) {
			t.Errorf("the contexts ended with %v", ended)
		}
		d.check(t, "https://here.example/root?jwt=1")
		if status := (<-s.Changes()).Status; status != redial.Ended {
			t.Errorf("the session is %v", status)
		}
	})
}
