package impl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A binding is a way to reach a server. All of them work in a bubble.
type binding struct {
	name  string
	start func(server *moqtest.Server) (url string)
}

var bindings = []binding{
	{"memory", func(s *moqtest.Server) string { s.Start(); return s.URL }},
	{"quic", func(s *moqtest.Server) string {
		s.Link = new(moqtest.Link)
		s.Start()
		return s.URL
	}},
	{"webtransport", func(s *moqtest.Server) string {
		s.Link = new(moqtest.Link)
		s.Start()
		return s.WebTransportURL()
	}},
	{"websocket", func(s *moqtest.Server) string {
		s.Link = new(moqtest.Link)
		s.Start()
		return s.WebSocketURL()
	}},
	{"tls", func(s *moqtest.Server) string {
		s.Link = new(moqtest.Link)
		s.Start()
		return "tls" + strings.TrimPrefix(s.WebSocketURL(), "wss")
	}},
}

// overEach runs a test over each binding, in a bubble.
func overEach(t *testing.T, f func(t *testing.T, server *moqtest.Server, start func() (url string))) {
	for _, b := range bindings {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				started := false
				defer func() {
					if started {
						server.Close()
					}
				}()
				f(t, server, func() string { started = true; return b.start(server) })
			})
		})
	}
}

// TestDialErrorsAreAlike checks each way in which a dial can fail, over each
// binding.
func TestDialErrorsAreAlike(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(server *moqtest.Server)
		config  api.Config
		timeout time.Duration
		is      error
	}{
		{"no common version", func(s *moqtest.Server) { s.Config.Config = &api.Config{Versions: []api.Version{api.Lite04}} },
			api.Config{Versions: []api.Version{api.Lite06}}, time.Minute, api.ErrUnsupportedVersion},
		{"refused", func(s *moqtest.Server) {
			s.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
				return api.Grant{}, fmt.Errorf("no: %w", api.ErrUnauthorized)
			}
		}, api.Config{WaitForSetup: true}, time.Minute, api.ErrUnauthorized},
		{"not admitted", func(s *moqtest.Server) {
			s.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) { return api.Grant{}, errors.New("no") }
		}, api.Config{WaitForSetup: true}, time.Minute, api.ErrUnavailable},
		{"given up", func(s *moqtest.Server) {
			s.Config.Admit = func(ctx context.Context, _ api.AdmitRequest) (api.Grant, error) {
				<-ctx.Done()
				return api.Grant{}, context.Cause(ctx)
			}
		}, api.Config{WaitForSetup: true}, 3 * time.Second, context.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				test.prepare(server)
				url := start()
				client := server.Client()
				client.Config = &test.config
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				_, err := client.Dial(ctx, url, api.NewTrackMux())
				if _, ok := errors.AsType[*api.DialError](err); !ok || !errors.Is(err, test.is) {
					t.Errorf("%v, want a DialError that is %v", err, test.is)
				}
			})
		})
	}
}

// connected returns both ends of a session between a client and a server.
func connected(t *testing.T, server *moqtest.Server, start func() string) (client *impl.Client, ours, theirs api.Session) {
	t.Helper()
	sessions := make(chan api.Session, 1)
	server.Config.Handler = func(s api.Session) { sessions <- s }
	url := start()
	client = server.Client()
	ours, err := client.Dial(t.Context(), url, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	return client, ours, <-sessions
}

// TestSessionErrorsAreAlike checks each way in which a session can end, over
// each binding.
func TestSessionErrorsAreAlike(t *testing.T) {
	tests := []struct {
		code   api.SessionErrorCode
		reason string
		is     error
	}{
		{api.SessionNoError, "", nil},
		{api.SessionNoError, "going away", nil},
		{api.SessionUnauthorized, "unauthorized", api.ErrUnauthorized},
		{api.SessionGoAwayTimeout, "goaway timeout", api.ErrGoingAway},
		{api.SessionUnavailable, "app code=502", api.ErrUnavailable},
		{api.SessionVersionNegotiationFailed, "", api.ErrUnsupportedVersion},
		{api.SessionApplication + 1000, "an application's own", nil},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%v %s", test.code, test.reason), func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				_, ours, theirs := connected(t, server, start)
				_ = theirs.Terminate(test.code, test.reason)
				<-ours.Context().Done()
				expectSessionEnd(t, "remote", context.Cause(ours.Context()), test.code, test.reason, true)
				expectSessionEnd(t, "local", context.Cause(theirs.Context()), test.code, test.reason, false)
				_, err := ours.Subscribe(t.Context(), "room", "video", nil)
				expectSessionEnd(t, "a later call", err, test.code, test.reason, true)
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("%v is not %v", err, test.is)
				}
			})
		})
	}
}

func expectSessionEnd(t *testing.T, what string, err error, code api.SessionErrorCode, reason string, remote bool) {
	t.Helper()
	ended, ok := errors.AsType[*api.SessionError](err)
	if !ok || ended.Code != code || ended.Reason != reason || ended.Remote != remote {
		t.Errorf("%s: %v, want %v %q (remote: %v)", what, err, code, reason, remote)
	}
}

// TestStreamErrorsAreAlike checks each way in which a subscription or group
// can fail, over each binding.
func TestStreamErrorsAreAlike(t *testing.T) {
	codes := []struct {
		code api.StreamErrorCode
		is   error
	}{
		{api.StreamCancelled, nil},
		{api.StreamInternal, nil},
		{api.StreamGoingAway, api.ErrGoingAway},
		{api.StreamTooFarBehind, api.ErrTooFarBehind},
		{api.StreamNotFound, api.ErrNotFound},
		{api.StreamOld, api.ErrTooFarBehind},
		{api.StreamUnroutable, api.ErrNotFound},
		{api.StreamApplication + 5, nil},
	}
	for _, c := range codes {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				refused := make(chan error, 1)
				_ = server.Config.Mux.Publish(t.Context(), "room", api.TrackFuncs{
					Info: func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
						if req.Name == "refused" {
							return api.TrackInfo{}, &api.StreamError{Code: c.code}
						}
						return api.TrackInfo{}, nil
					},
					Serve: func(w api.TrackWriter) { failAs(t, w, c.code, refused) },
					Fetch: func(w api.GroupWriter, _ api.FetchRequest) { w.Cancel(c.code) },
				})
				_, s, _ := connected(t, server, start)
				expect := func(what string, err error) {
					t.Helper()
					expectStreamError(t, what, err, c.code, true)
					if c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("%s: %v is not %v", what, err, c.is)
					}
				}
				_, err := s.Subscribe(t.Context(), "room", "refused", nil)
				expect("a refused subscription", err)
				_, err = s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video"})
				expect("a refused fetch", err)
				r := subscribe(t, s, "room", nil)
				g := accept(t, r)
				_ = g.ReadFrame(new(api.Frame))
				expect("a reset group", g.ReadFrame(new(api.Frame)))
				g = accept(t, r)
				_ = g.ReadFrame(new(api.Frame))
				g.Cancel(c.code)
				expect("a group that is not wanted", <-refused)
				_, err = r.AcceptGroup(t.Context())
				expect("an aborted track", err)
			})
		})
	}
}

// failAs resets a group, waits until the peer refuses another one, and then
// aborts the track.
func failAs(t *testing.T, w api.TrackWriter, code api.StreamErrorCode, refused chan<- error) {
	for i := range 2 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: []byte("x")})
		time.Sleep(time.Second)
		if i == 0 {
			g.Cancel(code)
			continue
		}
		<-g.Context().Done()
		refused <- context.Cause(g.Context())
	}
	_ = w.CloseWithError(code)
}
