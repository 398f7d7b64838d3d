package redial_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestClientIsClosed closes the client of a Session, or shuts it down: the
// Session and its requests end at once, whether there is a session beneath or
// it waits to dial again; nothing is left running.
func TestClientIsClosed(t *testing.T) {
	for _, c := range []struct {
		name string
		lost bool // there is no session beneath
		end  func(client api.Client) error
	}{
		{"closed with a session", false, api.Client.Close},
		{"closed between sessions", true, api.Client.Close},
		{"shut down between sessions", true, func(c api.Client) error { return c.Shutdown(context.Background()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{}, live.Limits{})
				defer cam.stop()
				server := newNode(cam.mux, nil, 0)
				defer server.Close()
				client := server.Client()
				client.Config = &api.Config{Versions: []api.Version{v}}
				s := dial(t, client, server.URL, redial.Policy{}, nil)
				in := read(t, subscribe(t, s, nil))
				l, _ := listen(t, s, "")
				time.Sleep(time.Second)
				if c.lost {
					_ = server.Config.Close()
					time.Sleep(2 * time.Minute) // the waits have grown
				}
				began := time.Now()
				if err := c.end(client); err != nil {
					t.Error(err)
				}
				<-s.Context().Done()
				<-in.done
				<-l.done
				synctest.Wait()
				if took := time.Since(began); took > 10*time.Millisecond {
					t.Errorf("the session lived on for %v", took)
				}
				for _, err := range []error{context.Cause(s.Context()), in.err, l.err} {
					if !errors.Is(err, api.ErrClientClosed) {
						t.Errorf("ended with %v", err)
					}
				}
			})
		})
	}
}
