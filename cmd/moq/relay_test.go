package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayConnects checks that two connected relays share broadcasts, also
// after one was restarted.
func TestRelayConnects(t *testing.T) {
	transporttest.NoLeaks(t)
	listen := func(args ...string) (relay *command, addr string) {
		relay = start(t, "", append([]string{"relay", "--json"}, args...)...)
		relay.out.await(t, "\n")
		return relay, strings.TrimPrefix(relay.lines()[0]["url"].(string), "https://")
	}
	far, addr := listen("--listen", lowPort(t))
	near, nearAddr := listen("--listen", "127.0.0.1:0", "--connect", "moqt://"+addr, "--insecure")
	for _, path := range []string{"first", "second"} {
		pub := start(t, "hello\n", "pub", "moqt://"+addr, path, "--insecure")
		sub := start(t, "", "sub", "moqt://"+nearAddr, path, "data", "--insecure")
		sub.wait(exitDone)
		pub.wait(exitDone)
		if got := sub.out.String(); got != "hello\n" {
			t.Errorf("%s: read %q", path, got)
		}
		far.cancel()
		far.wait(exitDone)
		if path == "first" {
			near.err.await(t, "lost")
			far, _ = listen("--listen", addr)
		}
	}
	near.cancel()
	near.wait(exitDone)
}

// TestRelayDrains checks a drain with a reader that does not leave: its track
// is ended early enough for its session to end in order.
func TestRelayDrains(t *testing.T) {
	transporttest.NoLeaks(t)
	relay := start(t, "", "relay", "--json", "--listen", "127.0.0.1:0", "--drain-timeout", "1s")
	relay.out.await(t, "\n")
	_, addr, _ := strings.Cut(relay.lines()[0]["url"].(string), "://")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dial := func(mux *api.TrackMux) api.Session {
		client := &impl.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
		t.Cleanup(func() { _ = client.Close() })
		s, err := client.Dial(ctx, "moqt://"+addr, mux)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "endless", func(w api.TrackWriter) { <-w.Context().Done() }); err != nil {
		t.Fatal(err)
	}
	dial(mux)
	viewer := dial(api.NewTrackMux())
	r, err := api.SubscribeWhenAnnounced(ctx, viewer, "endless", "data", nil)
	if err != nil {
		t.Fatal(err)
	}
	relay.cancel()
	if _, err := r.AcceptGroup(ctx); !errors.Is(err, api.ErrGoingAway) {
		t.Errorf("the track ends with %v, want going away", err)
	}
	<-viewer.Context().Done()
	err = context.Cause(viewer.Context())
	if ended, ok := errors.AsType[*api.SessionError](err); !ok || ended.Code != api.SessionNoError {
		t.Errorf("the session ends with %v, want no error", err)
	}
	relay.wait(exitDone)
}

// TestRelayDrainsItsConnection: a relay that is stopped asks the one that it has joined to
// leave too, and ends when that has left, long before its timeout.
func TestRelayDrainsItsConnection(t *testing.T) {
	transporttest.NoLeaks(t)
	far := moqtest.NewUnstartedServer(api.NewTrackMux())
	left := make(chan error, 1)
	far.Config.Handler = func(s api.Session) {
		r, err := api.SubscribeWhenAnnounced(s.Context(), s, "endless", "data", nil)
		if err != nil {
			left <- err
			return
		}
		<-s.GoneAway() // as a relay that has another route
		left <- r.Close()
	}
	far.StartSockets()
	defer far.Close()
	relay := start(t, "", "relay", "--json", "--listen", "127.0.0.1:0", "--connect", far.URL, "--insecure", "--drain-timeout", "1m")
	relay.out.await(t, "\n")
	_, addr, _ := strings.Cut(relay.lines()[0]["url"].(string), "://")
	client := &impl.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	defer client.Close()
	mux, served := api.NewTrackMux(), make(chan struct{})
	if err := mux.PublishFunc(t.Context(), "endless", func(w api.TrackWriter) {
		close(served)
		<-w.Context().Done()
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), "moqt://"+addr, mux); err != nil {
		t.Fatal(err)
	}
	<-served
	began := time.Now()
	relay.cancel()
	select {
	case err := <-left:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the other relay is not asked to leave")
	}
	relay.wait(exitDone)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v of its minute", took)
	}
	if said := relay.err.String(); strings.Contains(said, "reconnecting") {
		t.Errorf("it says: %s", said)
	}
}

// lowPort returns a free address below the ports that systems assign to
// clients, so that it stays free until a server listens there again.
func lowPort(t *testing.T) string {
	t.Helper()
	for port := 10_000 + os.Getpid()%10_000; port < 30_000; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		_ = udp.Close()
		tcp, err := net.Listen("tcp", addr)
		if err == nil {
			_ = tcp.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func TestRelayCannotConnect(t *testing.T) {
	c := start(t, "", "relay", "--listen", "127.0.0.1:0", "--connect", "moqt://127.0.0.1:1", "--timeout", "2s")
	c.wait(exitFailed)
	if !strings.Contains(c.err.String(), "moqt://127.0.0.1:1") {
		t.Errorf("it says %s", c.err)
	}
}
