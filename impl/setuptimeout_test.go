package impl_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// TestDefaultSetupTimeouts: without a Config, and with one that does not say, a
// client waits for the SETUP of a silent peer for 15 s, and a server for 10 s,
// which is shorter: the client hears how the server has decided.
func TestDefaultSetupTimeouts(t *testing.T) {
	for name, config := range map[string]*api.Config{"no config": nil, "zero config": {}} {
		t.Run(name, func(t *testing.T) {
			t.Run("client", func(t *testing.T) { testSilentServer(t, config, 15*time.Second) })
			t.Run("server", func(t *testing.T) { testSilentClient(t, config, 10*time.Second) })
		})
	}
}

// testSilentServer checks how long a client waits for a server's SETUP.
func testSilentServer(t *testing.T, config *api.Config, want time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		conn, silent := memconn.Pipe(string(api.Lite06), nil, nil)
		defer silent.CloseWithError(0, "")
		client := &impl.Client{
			Config:    config,
			Transport: transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) { return conn, nil }),
		}
		defer client.Close()
		began := time.Now()
		s, err := client.Dial(t.Context(), "moqt://relay.example", api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		<-s.Context().Done()
		checkTimeout(t, context.Cause(s.Context()), false, time.Since(began), want)
	})
}

// testSilentClient checks how long a server waits for a client's SETUP.
func testSilentClient(t *testing.T, config *api.Config, want time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Config = config
		server.Start()
		defer server.Close()
		began := time.Now()
		silent, err := server.Network.Dial(t.Context(), server.URL, []string{string(api.Lite06)})
		if err != nil {
			t.Fatal(err)
		}
		<-silent.Context().Done()
		checkTimeout(t, context.Cause(silent.Context()), true, time.Since(began), want)
	})
}

func checkTimeout(t *testing.T, err error, remote bool, took, want time.Duration) {
	t.Helper()
	var code uint64
	if ended, ok := errors.AsType[*api.SessionError](err); ok && ended.Remote == remote {
		code = uint64(ended.Code)
	} else if closed, ok := errors.AsType[*transport.ConnError](err); ok && closed.Remote == remote {
		code = closed.Code
	}
	if code != uint64(api.SessionControlTimeout) || took != want {
		t.Errorf("the session ended with %v after %v, want a control timeout after %v", err, took, want)
	}
}
