package impl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport/wsconn"
)

// lives reports whether the server keeps a session: a request is answered.
func lives(t *testing.T, s api.Session) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := s.Subscribe(ctx, "nowhere", "video", nil)
	if errors.Is(err, api.ErrNotFound) {
		return nil
	}
	return err
}

// TestSessionsPerAddress has two clients on a simulated network: one may have two
// sessions, whatever they go over, and the other its own two. A third is told to come
// later, and a redialer gets in as soon as there is room.
func TestSessionsPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Link = new(moqtest.Link)
		server.Config.Limits = api.Limits{SessionsPerAddress: 2}
		var accepted atomic.Int32
		server.Config.Handler = func(api.Session) { accepted.Add(1) }
		server.Start()
		defer server.Close()
		one, two := server.Client(), server.Client()
		var held []api.Session
		for _, c := range []*impl.Client{one, two} {
			for _, url := range []string{server.URL, server.WebTransportURL()} {
				s, err := c.Dial(t.Context(), url, api.NewTrackMux())
				if err == nil {
					err = lives(t, s)
				}
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, s)
			}
		}
		for _, url := range []string{server.URL, server.WebTransportURL()} {
			s, err := one.Dial(t.Context(), url, api.NewTrackMux())
			if err != nil {
				t.Fatal(err)
			}
			<-s.Context().Done()
			if err := context.Cause(s.Context()); !errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrUnauthorized) {
				t.Errorf("%s: %v, want ErrUnavailable", url, err)
			}
		}

		var dials atomic.Int64
		again, err := impl.NewRedialer(one, redial.Policy{Source: func(context.Context) (string, error) {
			dials.Add(1)
			return server.URL, nil
		}}).Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		defer again.Terminate(api.SessionNoError, "")
		time.Sleep(2 * time.Minute)
		if n := dials.Load(); n < 5 || n > 20 {
			t.Errorf("%d dials in two minutes, want some, and ever fewer", n)
		}
		if err := lives(t, held[0]); err != nil {
			t.Errorf("a session that was there before: %v", err)
		}
		if n := accepted.Load(); n != 4 {
			t.Errorf("%d sessions were accepted", n)
		}
		_ = held[0].Terminate(api.SessionNoError, "")
		time.Sleep(time.Minute)
		if n := accepted.Load(); n != 5 {
			t.Errorf("%d sessions were accepted after one has left", n)
		}
	})
}

// TestSessionsPerAddressOverSockets refuses a session over each transport alike, and
// counts each that has ended, or was refused, no more.
func TestSessionsPerAddressOverSockets(t *testing.T) {
	theirs, ours := certificate(t)
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Limits: api.Limits{SessionsPerAddress: 1}})
	c := client(t, &impl.Client{TLSConfig: ours})
	dial := func(scheme string) api.Session {
		s, err := c.Dial(t.Context(), scheme+"://"+strings.Replace(addr, "127.0.0.1", "localhost", 1), api.NewTrackMux())
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		return s
	}
	for _, scheme := range []string{"moqt", "https", "wss", "ws", "tls", "tcp"} {
		held := admitted(t, dial, scheme)
		for _, other := range []string{"moqt", "https", "wss", "ws", "tls", "tcp"} {
			s := dial(other)
			select {
			case <-s.Context().Done():
			case <-time.After(10 * time.Second):
				t.Fatalf("%s beside %s: the session lives", other, scheme)
			}
			want := &api.SessionError{Code: api.SessionUnavailable, Reason: "too many sessions from this address", Remote: true}
			if got, ok := errors.AsType[*api.SessionError](context.Cause(s.Context())); !ok || *got != *want {
				t.Errorf("%s beside %s: %v, want %v", other, scheme, context.Cause(s.Context()), want)
			}
		}
		if err := lives(t, held); err != nil {
			t.Errorf("%s: the first session: %v", scheme, err)
		}
		_ = held.Terminate(api.SessionNoError, "")
	}
	admitted(t, dial, "moqt")
}

// admitted dials until there is room: the server learns of the end of a session a
// moment later.
func admitted(t *testing.T, dial func(scheme string) api.Session, scheme string) api.Session {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s := dial(scheme)
		err := lives(t, s)
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", scheme, err)
		}
	}
}

// TestSessionsPerClientOfAProxy counts clients of a trusted proxy by their own
// addresses, those of one IPv6 network together.
func TestSessionsPerClientOfAProxy(t *testing.T) {
	theirs, _ := certificate(t)
	addr := serve(t, &impl.Server{
		TLSConfig: theirs, Mux: api.NewTrackMux(), TrustedProxies: []netip.Prefix{loopback},
		Limits: api.Limits{SessionsPerAddress: 1},
	})
	dial := func(from string) error {
		c := client(t, &impl.Client{Transport: &wsconn.Dialer{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil {
					to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::1]:443"))
					source := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
					if source.IP.To4() != nil {
						to = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("198.51.100.1:443"))
					}
					_, err = proxyproto.HeaderProxyFromAddrs(2, source, to).WriteTo(c)
				}
				return c, err
			},
		}})
		s, err := c.Dial(t.Context(), "ws://"+addr, api.NewTrackMux())
		if err != nil {
			return err
		}
		return lives(t, s)
	}
	for _, test := range []struct {
		from string
		in   bool
	}{
		{"203.0.113.7:1000", true},
		{"203.0.113.7:1001", false},
		{"203.0.113.8:1000", true},
		{"[2001:db8:1:2::1]:1000", true},
		{"[2001:db8:1:2:ffff::9]:1000", false},
		{"[2001:db8:1:3::1]:1000", true},
		{"[::ffff:203.0.113.7]:1002", false},
	} {
		err := dial(test.from)
		if test.in && err != nil || !test.in && !errors.Is(err, api.ErrUnavailable) {
			t.Errorf("%s: %v", test.from, err)
		}
	}
}

// TestLimitOfSessionsIsTheServers: in the configuration of a session the limit would
// have no effect.
func TestLimitOfSessionsIsTheServers(t *testing.T) {
	server := &impl.Server{Addr: "127.0.0.1:0", Config: &api.Config{Limits: api.Limits{SessionsPerAddress: 10}}}
	defer server.Close()
	if _, err := server.Listen(); err == nil || !strings.Contains(err.Error(), "Limits of a server") {
		t.Errorf("listen: %v", err)
	}
}

// TestSubscriptionsPerSession asks for more tracks at a time than the publisher serves: the
// session goes on, those that are served too, and one that has left makes room.
func TestSubscriptionsPerSession(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				var asked atomic.Int32
				publish(t, mux, func(w api.TrackWriter) {
					asked.Add(1)
					writeGroup(w, 1)
					<-w.Context().Done()
				})
				server := moqtest.NewUnstartedServer(mux)
				server.Config.Config = &api.Config{Limits: api.Limits{SubscriptionsPerSession: 2}}
				server.Start()
				defer server.Close()
				s := dial(t, server, v, api.NewTrackMux())
				served := []api.TrackReader{subscribe(t, s, "room", nil), subscribe(t, s, "room", nil)}
				synctest.Wait() // both have their places: TRACK may be answered first
				third, err := s.Subscribe(t.Context(), "room", "video", nil)
				if err == nil {
					_, err = third.AcceptGroup(t.Context())
				}
				expectStreamError(t, "a third", err, api.StreamNoCapacity, true)
				synctest.Wait()
				if asked.Load() != 2 {
					t.Errorf("%d subscriptions have reached the handler", asked.Load())
				}
				for _, r := range served {
					accept(t, r)
				}
				_ = served[0].Close()
				synctest.Wait()
				accept(t, subscribe(t, s, "room", nil))
			})
		})
	}
}

// TestSubscriptionsOfAnotherSession: the limit of one session does not concern another.
func TestSubscriptionsOfAnotherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		publish(t, mux, func(w api.TrackWriter) {
			writeGroup(w, 1)
			<-w.Context().Done()
		})
		server := moqtest.NewUnstartedServer(mux)
		server.Config.Config = &api.Config{Limits: api.Limits{SubscriptionsPerSession: 1}}
		server.Start()
		defer server.Close()
		for i := range 3 {
			s := dial(t, server, api.Lite06, api.NewTrackMux())
			r, err := s.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint(i)), nil)
			if err != nil {
				t.Fatal(err)
			}
			accept(t, r)
		}
	})
}
