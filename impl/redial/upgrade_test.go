package redial_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport"
)

// A fallen is a session that has fallen back to WebSocket.
type fallen struct{ api.Session }

func (s fallen) State() api.SessionState {
	state := s.Session.State()
	state.Transport = "websocket"
	return state
}

// A blocked dialer dials over networks that let no UDP through until udp is
// set: it falls back unless the options forbid that.
type blocked struct {
	client api.Dialer
	server *node
	udp    *atomic.Bool
	deaf   bool // ignores options
}

func (d blocked) Dial(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
	return d.DialWith(ctx, url, mux, transport.DialOptions{})
}

func (d blocked) DialWith(ctx context.Context, _ string, mux *api.TrackMux, o transport.DialOptions) (api.Session, error) {
	if !d.udp.Load() && o.NoFallback && !d.deaf {
		return nil, errUnreachable
	}
	s, err := d.client.Dial(ctx, d.server.URL, mux)
	if err == nil && !d.udp.Load() {
		return fallen{s}, nil
	}
	return s, err
}

// TestFindsBackToQUIC: a network lets UDP through a while after a session has
// fallen back to WebSocket. The Session moves to QUIC, with what is read and
// published, and nothing is lost.
func TestFindsBackToQUIC(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := startRelay(0)
		defer server.Close()
		cam := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
		cam.connect(t, server, v)
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}, Hop: readerHop}
		var udp atomic.Bool
		var events recorder
		policy := quick()
		policy.Trace = events.trace()
		policy.UpgradeInterval = 5 * time.Second
		own := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "hall", own.broadcast); err != nil {
			t.Fatal(err)
		}
		s := dial(t, blocked{client: client, server: server, udp: &udp}, "https://relay.example", policy, mux)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		in := read(t, subscribe(t, s, nil))
		other, err := server.Client().Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := other.Subscribe(t.Context(), "hall", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		out := read(t, r)
		l, _ := listen(t, s, "")
		time.Sleep(30 * time.Second)
		if got := s.State().Transport; got != "websocket" {
			t.Errorf("runs over %q", got)
		}
		before := l.take()
		udp.Store(true)
		time.Sleep(2 * time.Minute)
		if got := s.State().Transport; got == "websocket" {
			t.Errorf("runs over %q", got)
		}
		if told := l.take(); v != api.Lite03 && told != nil {
			t.Errorf("told %q, and %q before", told, before)
		}
		if n := events.count("drained"); v != api.Lite03 && n != 1 {
			t.Errorf("%d sessions have drained, want the one that was left: %q", n, events.all())
		}
		cam.stop()
		own.stop()
		for _, reading := range []*reading{in, out} {
			reading.awaitEnd(t)
			reading.check(t)
			if v != api.Lite03 && (reading.lost() != nil || reading.torn != nil || reading.restarts != nil) {
				t.Errorf("lost %v, torn %v, restarts %v", reading.lost(), reading.torn, reading.restarts)
			}
		}
	})
}

// TestStaysOnWebSocket if the URL or the policy says so, or if the dialer
// cannot dial without its fallback.
func TestStaysOnWebSocket(t *testing.T) {
	const web = "https://relay.example"
	for _, c := range []struct {
		name, url string
		policy    redial.Policy
		dialer    func(blocked) api.Dialer
		dials     int
	}{
		{"asked for by the URL", "wss://relay.example", redial.Policy{}, func(d blocked) api.Dialer { return d }, 1},
		{"asked for by the policy", web, redial.Policy{UpgradeInterval: -1}, func(d blocked) api.Dialer { return d }, 1},
		{"the dialer takes no options", web, redial.Policy{}, func(d blocked) api.Dialer { return dialerFunc(d.Dial) }, 1},
		{"the transport is deaf to options", web, redial.Policy{}, func(d blocked) api.Dialer { d.deaf = true; return d }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server := startRelay(0)
				defer server.Close()
				var udp atomic.Bool
				var events recorder
				c.policy.Trace = events.trace()
				s := dial(t, c.dialer(blocked{client: server.Client(), server: server, udp: &udp}), c.url, c.policy, nil)
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(5 * time.Minute)
				udp.Store(true)
				time.Sleep(time.Hour)
				if n := events.count("dialing"); n != c.dials {
					t.Errorf("dialled %d times, want %d", n, c.dials)
				}
				if got := s.State().Transport; got != "websocket" {
					t.Errorf("runs over %q", got)
				}
			})
		})
	}
}
