package redial_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// An asking dialer records the options that reach a transport.
type asking struct {
	transport.TargetDialer
	mu      sync.Mutex
	options []transport.DialOptions
}

func (d *asking) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	d.mu.Lock()
	d.options = append(d.options, t.Options)
	d.mu.Unlock()
	return d.TargetDialer.DialTarget(ctx, t, protocols)
}

// TestDialsAgainOverASocketOfItsOwn: each session but the first asks the
// client's transport for a socket of its own, since the route to a server that
// is about to stop may depend on the port.
func TestDialsAgainOverASocketOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server := newNode(api.NewTrackMux(), nil, 0)
		defer server.Close()
		client := server.Client()
		d := &asking{TargetDialer: server.Network}
		client.Transport = d
		s := dial(t, client, server.URL, quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		for range 2 {
			synctest.Wait() // the server has accepted what it severs
			server.Sever()
			time.Sleep(5 * time.Second)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		own := transport.DialOptions{OwnSocket: true}
		if want := []transport.DialOptions{{}, own, own}; !slices.Equal(d.options, want) {
			t.Errorf("asked for %+v, want %+v", d.options, want)
		}
	})
}
