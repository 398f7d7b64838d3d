package redial_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

// TestLog: a session that is lost and found again is logged at Info with the ids of both,
// and without credentials; so is a server that goes away, and a session that is given up.
func TestLog(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		var text bytes.Buffer
		policy := quick()
		policy.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo}))
		policy.Permanent = func(err error) bool { return errors.Is(err, errUnreachable) }
		server, n, _ := served(v)
		defer server.Close()
		s := dial(t, n, withToken, policy, nil)
		first := s.State().ID
		time.Sleep(time.Second)
		if text.Len() > 0 {
			t.Errorf("logged before anything was lost: %s", &text)
		}
		server.Sever()
		n.await(2)
		time.Sleep(5 * time.Second)
		second := s.State().ID
		const at = " url=moqt://relays.example:1 "
		want := []string{
			`level=INFO msg="session lost, dialling again" session=` + first + at + `duration=1s error="session lost: link severed"`,
			`level=INFO msg="session found again" session=` + second + at + "before=" + first,
		}
		last := second
		if v != api.Lite03 {
			server.goAwayLast(t, "")
			time.Sleep(5 * time.Second)
			last = s.State().ID
			want = append(want,
				`level=INFO msg="the server is going away, dialling again" session=`+second+at+"to=moqt://relays.example:1",
				`level=INFO msg="session moved" session=`+last+at+"before="+second)
		}
		n.fail(errUnreachable)
		server.Sever()
		<-s.Context().Done()
		synctest.Wait()
		want = append(want,
			`level=INFO msg="session lost, dialling again" session=`+last+at,
			`level=WARN msg="dial failed" url=moqt://relays.example:1 attempt=1 error=unreachable`,
			`level=INFO msg="session given up" session=`+last+at+"error=unreachable")
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		for i := range max(len(lines), len(want)) {
			if i >= len(want) || i >= len(lines) || !strings.Contains(lines[i], want[i]) {
				t.Fatal("logged:\n" + text.String() + fmt.Sprintf("want: %q", want))
			}
		}
		if strings.Contains(text.String(), "secret") {
			t.Errorf("a secret is logged: %s", &text)
		}
	})
}

// TestLogOfTheClient: without a Logger in the policy, the session logs by that of its
// client, which may be set until the first Dial.
func TestLogOfTheClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var text, own bytes.Buffer
		server := newNode(api.NewTrackMux(), nil, 0)
		defer server.Close()
		client := server.Client()
		dialer := impl.NewRedialer(client, quick())
		client.Logger = slog.New(slog.NewTextHandler(&text, nil))
		policy := quick()
		policy.Logger = slog.New(slog.NewTextHandler(&own, nil))
		for _, d := range []api.Dialer{dialer, impl.NewRedialer(client, policy)} {
			s, err := d.Dial(t.Context(), server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			server.Sever()
			time.Sleep(5 * time.Second)
			_ = s.Terminate(api.SessionNoError, "")
			synctest.Wait()
		}
		const lost = `msg="session lost, dialling again"`
		if strings.Count(text.String(), lost) != 1 || strings.Count(text.String(), `msg="session began"`) != 4 {
			t.Errorf("the client's logger has\n%s", &text)
		}
		if strings.Count(own.String(), lost) != 1 || strings.Contains(own.String(), "session began") {
			t.Errorf("the policy's logger has\n%s", &own)
		}
	})
}
