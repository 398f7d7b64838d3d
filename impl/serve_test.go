package impl_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestServeHTTP makes sessions of the requests of somebody else's HTTP server, below a
// mount point.
func TestServeHTTP(t *testing.T) {
	transporttest.NoLeaks(t)
	mine := api.NewTrackMux()
	if err := mine.PublishFunc(t.Context(), "room/cam", func(w api.TrackWriter) {
		_ = api.WriteGroup(w.Context(), w, api.Frame{Payload: []byte("hello")})
	}); err != nil {
		t.Fatal(err)
	}
	server := &impl.Server{Mux: api.NewTrackMux(), Admit: func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
		if r.Token != "mine" || r.State.Root != "room" {
			return api.Grant{}, api.ErrUnauthorized
		}
		g := api.GrantAll()
		g.Mux, g.Value = mine, "ann"
		return g, nil
	}}
	mux := http.NewServeMux()
	mux.Handle("/moq/", http.StripPrefix("/moq", server))
	site := httptest.NewServer(mux)
	defer site.Close()
	c := client(t, new(impl.Client))
	url := "ws" + strings.TrimPrefix(site.URL, "http") + "/moq/room"

	if _, err := c.Dial(t.Context(), url+"?jwt=other", nil); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("with another token: %v", err)
	}
	s, err := c.Dial(t.Context(), url+"?jwt=mine", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Subscribe(t.Context(), "cam", "video", nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.AcceptGroup(t.Context())
	var f api.Frame
	if err != nil || g.ReadFrame(&f) != nil || string(f.Payload) != "hello" {
		t.Errorf("read %q, %v", f.Payload, err)
	}
	for open := range server.Sessions() {
		if state := open.State(); state.Root != "room" || state.Value != "ann" {
			t.Errorf("the session is %+v", state)
		}
	}
	if stats := server.Stats(); stats.Sessions != 1 || stats.Opened != 1 || stats.Refused != 1 || stats.BytesSent == 0 {
		t.Errorf("counted %+v", stats)
	}

	response, err := http.Get(site.URL + "/moq/room")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUpgradeRequired || response.Header.Get("Upgrade") != "websocket" {
		t.Errorf("without an upgrade: %s, %v", response.Status, response.Header)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-s.Context().Done()
	if _, err := c.Dial(t.Context(), url+"?jwt=mine", nil); err == nil {
		t.Error("a closed server has accepted a session")
	}
	if stats := server.Stats(); stats.Sessions != 0 || stats.Opened != 1 || stats.BytesSent == 0 {
		t.Errorf("counted %+v after the end", stats)
	}
}

// TestServeHTTPAnswers checks that what is no WebSocket is for HTTP.
func TestServeHTTPAnswers(t *testing.T) {
	server := &impl.Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/certificate.sha256", nil))
	if w.Code != 200 || w.Body.String() != "/certificate.sha256" {
		t.Errorf("%d, %q", w.Code, w.Body)
	}
}

// TestServeConn serves connections in memory until they end, in each way.
func TestServeConn(t *testing.T) {
	refused := errors.New("not today")
	for _, c := range []struct {
		name string
		do   func(t *testing.T, server *impl.Server, s api.Session, stop context.CancelCauseFunc)
		is   func(error) bool
	}{
		{"the client closes", func(_ *testing.T, _ *impl.Server, s api.Session, _ context.CancelCauseFunc) {
			_ = s.Terminate(api.SessionNoError, "")
		}, func(err error) bool { return err == nil }},
		{"the client fails", func(_ *testing.T, _ *impl.Server, s api.Session, _ context.CancelCauseFunc) {
			_ = s.Terminate(api.SessionInternal, "")
		}, func(err error) bool {
			e, ok := errors.AsType[*api.SessionError](err)
			return ok && e.Code == api.SessionInternal && e.Remote
		}},
		{"the context ends", func(_ *testing.T, _ *impl.Server, _ api.Session, stop context.CancelCauseFunc) { stop(refused) },
			func(err error) bool { return errors.Is(err, refused) }},
		{"the server closes", func(_ *testing.T, server *impl.Server, _ api.Session, _ context.CancelCauseFunc) {
			_ = server.Close()
		}, func(err error) bool { return err == nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handled api.Session
				server := &impl.Server{Mux: api.NewTrackMux(), Handler: func(s api.Session) { handled = s }}
				defer server.Close()
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				near, far := memconn.Pipe("moq-lite-06", nil, nil)
				ended := make(chan error, 1)
				go func() { ended <- server.ServeConn(ctx, far) }()
				s := over(t, near)
				synctest.Wait()
				open := slices.Collect(server.Sessions())
				if len(open) != 1 || open[0] != handled || server.Stats().Sessions != 1 {
					t.Errorf("the open sessions are %v, and %v was handled", open, handled)
				}
				c.do(t, server, s, stop)
				if err := <-ended; !c.is(err) {
					t.Errorf("ServeConn: %v", err)
				}
				<-s.Context().Done()
				if n := len(slices.Collect(server.Sessions())); n != 0 || server.Stats().Opened != 1 {
					t.Errorf("%d sessions are open, %+v", n, server.Stats())
				}
				_ = server.Close()
				_, late := memconn.Pipe("moq-lite-06", nil, nil)
				if err := server.ServeConn(ctx, late); !errors.Is(err, api.ErrServerClosed) || late.Context().Err() == nil {
					t.Errorf("after Close: %v", err)
				}
			})
		})
	}
}

// TestServeConnRefused checks what ServeConn tells of a session that is not admitted.
func TestServeConnRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &impl.Server{Mux: api.NewTrackMux(), Admit: func(context.Context, api.AdmitRequest) (api.Grant, error) {
			return api.Grant{}, api.ErrUnauthorized
		}, Handler: func(api.Session) { t.Error("a refused session is handled") }}
		defer server.Close()
		near, far := memconn.Pipe("moq-lite-06", nil, nil)
		ended := make(chan error, 1)
		go func() { ended <- server.ServeConn(t.Context(), far) }()
		over(t, near)
		if err := <-ended; !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("ServeConn: %v", err)
		}
		if stats := server.Stats(); stats.Refused != 1 || stats.Opened != 0 {
			t.Errorf("counted %+v", stats)
		}
	})
}

// over returns a client's session on a connection.
func over(t *testing.T, c transport.Conn) api.Session {
	cl := &impl.Client{Transport: transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) { return c, nil })}
	t.Cleanup(func() { _ = cl.Close() })
	s, err := cl.Dial(context.Background(), "moqt://elsewhere.example/room", nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	return s
}
