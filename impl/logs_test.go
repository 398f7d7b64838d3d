package impl_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A recorder is a handler that keeps all lines, as "LEVEL message key=value …".
type recorder struct {
	least slog.Level
	*recorded
	attrs []slog.Attr
}

type recorded struct {
	mu    sync.Mutex
	lines []logLine
}

type logLine struct {
	level slog.Level
	what  string
	attrs map[string]string
}

func newRecorder(least slog.Level) recorder { return recorder{least: least, recorded: new(recorded)} }

func (r recorder) Enabled(_ context.Context, level slog.Level) bool { return level >= r.least }
func (r recorder) WithGroup(string) slog.Handler                    { return r }
func (r recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	r.attrs = slices.Concat(r.attrs, attrs)
	return r
}

func (r recorder) Handle(_ context.Context, line slog.Record) error {
	l := logLine{line.Level, line.Message, make(map[string]string)}
	add := func(a slog.Attr) bool { l.attrs[a.Key] = a.Value.String(); return true }
	for _, a := range r.attrs {
		add(a)
	}
	line.Attrs(add)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	return nil
}

// only returns the lines with a message.
func (r *recorded) only(what string) (lines []logLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.what == what {
			lines = append(lines, l)
		}
	}
	return lines
}

// check checks that there is one line with a message, its level, and the attributes that
// it must have; one that is "*" may be anything but empty.
func (r *recorded) check(t *testing.T, level slog.Level, what string, want map[string]string) {
	t.Helper()
	lines := r.only(what)
	if len(lines) != 1 || lines[0].level != level {
		t.Errorf("%d lines %q at %v, want 1: %v", len(lines), what, level, r.lines)
		return
	}
	for key, value := range want {
		got, ok := lines[0].attrs[key]
		if !ok || value != got && (value != "*" || got == "") {
			t.Errorf("%q: %s is %q, want %q", what, key, got, value)
		}
	}
}

// checkSecret checks that no line has a text.
func (r *recorded) checkSecret(t *testing.T, secret string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if strings.Contains(fmt.Sprint(l), secret) {
			t.Errorf("a secret is in the line %v", l)
		}
	}
}

// TestSessionsAreLogged: over each binding both ends log a line when a session begins and
// one when it ends, with the same id, what API.md names, and no token.
func TestSessionsAreLogged(t *testing.T) {
	overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		atServer, atClient := newRecorder(slog.LevelDebug), newRecorder(slog.LevelDebug)
		server.Config.Logger = slog.New(atServer)
		server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			if r.Token != "secret" {
				return api.Grant{}, api.ErrUnauthorized
			}
			return api.GrantAll(), nil
		}
		ids := make(chan string, 1)
		server.Config.Handler = func(s api.Session) { ids <- s.State().ID }
		url := start()
		c := server.Client()
		c.Logger = slog.New(atClient)
		s, err := c.Dial(t.Context(), url+"?jwt=secret", api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		state, id := s.State(), <-ids
		time.Sleep(7 * time.Second)
		_ = s.Terminate(api.SessionNoError, "")
		synctest.Wait()
		for _, end := range []struct {
			log    recorder
			id     string
			remote string
			by     string
		}{{atClient, state.ID, state.Remote.String(), "here"}, {atServer, id, "*", "by the peer"}} {
			common := map[string]string{
				"session": end.id, "remote": end.remote, "url": "*",
				"transport": state.Transport, "version": string(state.Version),
			}
			end.log.check(t, slog.LevelInfo, "session began", common)
			common["cause"] = "session closed " + end.by + ": " + api.SessionNoError.String()
			common["bytes_sent"], common["bytes_received"] = "*", "*"
			end.log.check(t, slog.LevelInfo, "session ended", common)
			if ended := end.log.only("session ended"); len(ended) == 1 && !strings.HasPrefix(ended[0].attrs["duration"], "7") {
				t.Errorf("it has lasted 7 s, and the log says %s", ended[0].attrs["duration"])
			}
			end.log.checkSecret(t, "secret")
		}
	})
}

// TestRefusedSessionHasOneLine: it is not told as one that began and ended.
func TestRefusedSessionHasOneLine(t *testing.T) {
	overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		log := newRecorder(slog.LevelInfo)
		server.Config.Logger = slog.New(log)
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
			return api.Grant{}, fmt.Errorf("no: %w", api.ErrUnauthorized)
		}
		if err := dialled(t, server, start()+"?jwt=secret", nil); !errors.Is(err, api.ErrUnauthorized) {
			t.Error(err)
		}
		synctest.Wait()
		log.check(t, slog.LevelInfo, "session refused", map[string]string{"session": "*", "remote": "*", "error": "*"})
		if len(log.lines) != 1 {
			t.Errorf("logged %v", log.lines)
		}
		log.checkSecret(t, "secret")
	})
}

// TestRequestsAreLogged: both ends log each request at Debug, and with which code it is
// refused. Nothing is logged of groups and frames.
func TestRequestsAreLogged(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		logs := map[string]recorder{"peer": newRecorder(slog.LevelDebug), "here": newRecorder(slog.LevelDebug)}
		server.Config.Logger = slog.New(logs["peer"])
		server.Config.Mux = api.NewTrackMux()
		if err := server.Config.Mux.PublishFunc(t.Context(), "room", echo); err != nil {
			t.Fatal(err)
		}
		url := start()
		c := server.Client()
		c.Config, c.Logger = &api.Config{Versions: []api.Version{v}}, slog.New(logs["here"])
		s, err := c.Dial(t.Context(), url, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, request := range []func() error{
			func() error { _, err := s.Subscribe(t.Context(), "nowhere", "video", nil); return err },
			func() error { _, err := s.TrackInfo(t.Context(), "nowhere", "video"); return err },
			func() error {
				_, err := s.Fetch(t.Context(), api.FetchRequest{Path: "nowhere", Name: "video"})
				return err
			},
		} {
			if err := request(); err == nil {
				t.Error("a request for what is nowhere is answered")
			}
		}
		_ = toldNow(t, s, "")
		synctest.Wait()
		for from, log := range logs {
			got := make(map[string]bool)
			for _, l := range slices.Concat(log.only("request accepted"), log.only("request refused")) {
				if l.level != slog.LevelDebug || l.attrs["from"] != from || l.attrs["session"] == "" {
					t.Errorf("%v", l)
				}
				got[fmt.Sprintf("%s %s %s %s", l.attrs["request"], l.attrs["path"], l.attrs["track"], l.attrs["code"])] = true
			}
			unroutable := api.StreamUnroutable.String()
			want := []string{"SUBSCRIBE room video ", "SUBSCRIBE nowhere video " + unroutable, "ANNOUNCE   "}
			if v == api.Lite05 || v == api.Lite06 {
				want = append(want, "FETCH nowhere video "+unroutable, "TRACK nowhere video "+unroutable)
			}
			for _, line := range want {
				if !got[line] {
					t.Errorf("no line %q from %s in %v", line, from, got)
				}
			}
			if n := len(log.lines); n > 10 {
				t.Errorf("%d lines", n)
			}
		}
	})
}
