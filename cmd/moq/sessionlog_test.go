package main

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayPrintsSessions: a relay prints one line for a session, when it ends, and no
// token; with --verbose also its beginning and its requests.
func TestRelayPrintsSessions(t *testing.T) {
	transporttest.NoLeaks(t)
	for _, verbose := range []bool{false, true} {
		args := []string{"relay", "--json", "--listen", "127.0.0.1:0"}
		if verbose {
			args = append(args, "--verbose")
		}
		relay := start(t, "", args...)
		relay.out.await(t, "\n")
		_, addr, _ := strings.Cut(relay.lines()[0]["url"].(string), "://")
		client := &impl.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the test's own relay
		for range 2 {
			s, err := client.Dial(t.Context(), "https://"+addr+"/room?jwt=secret", api.NewTrackMux())
			if err != nil {
				t.Fatal(err)
			}
			ask(t, s)
			_ = s.Terminate(api.SessionNoError, "")
		}
		relay.err.awaitCount(t, `msg="session ended"`, 2)
		_ = client.Close()
		relay.cancel()
		relay.wait(exitDone)
		checkSessionLines(t, relay.err.String(), verbose)
	}
}

// ask asks for a track that nobody has.
func ask(t *testing.T, s api.Session) {
	t.Helper()
	if _, err := s.Subscribe(t.Context(), "nowhere", "video", nil); err == nil {
		t.Error("a track of nobody is there")
	}
}

// checkSessionLines checks what a relay has printed of two sessions.
func checkSessionLines(t *testing.T, printed string, verbose bool) {
	t.Helper()
	if strings.Contains(printed, "secret") {
		t.Errorf("a token is printed: %s", printed)
	}
	counts := map[string]int{"session=": 2, `level=INFO msg="session ended"`: 2, "duration=": 2, "bytes_received=": 2, "cause=": 2, "/room": 2}
	if verbose {
		counts = map[string]int{`msg="session began"`: 2, `msg="session ended"`: 2, "request=SUBSCRIBE path=room/nowhere track=video code=": 2}
	}
	for text, want := range counts {
		if got := strings.Count(printed, text); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", text, got, want, printed)
		}
	}
}
