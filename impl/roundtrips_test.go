package impl_test

import (
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// TestRoundTripsToTheFirstFrame counts the round trips from Dial to the first
// frame over a link with 50 ms of delay. The package's documentation has the
// numbers.
func TestRoundTripsToTheFirstFrame(t *testing.T) {
	const rtt = 50 * time.Millisecond
	for _, test := range []struct {
		name  string
		url   func(*moqtest.Server) string
		again bool // to a server met before, with early data
		most  time.Duration
	}{
		{"moqt", nativeURL, false, 2 * rtt},
		{"moqt again", nativeURL, true, rtt},
		{"https", (*moqtest.Server).WebTransportURL, false, 4 * rtt},
	} {
		for _, v := range api.Versions() {
			t.Run(test.name+"/"+string(v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mux := api.NewTrackMux()
					publishGroups(t, mux, "room", 1)
					server := moqtest.NewUnstartedServer(mux)
					server.Link = &moqtest.Link{Delay: rtt / 2}
					if test.again {
						server.Config.QUICConfig = earlyConfig()
					}
					server.Start()
					defer server.Close()
					client := server.Client()
					client.Config = &api.Config{Versions: []api.Version{v}}
					if test.again {
						sendEarly(client)
						toFirstFrame(t, client, test.url(server))
					}
					took := toFirstFrame(t, client, test.url(server))
					t.Logf("the first frame came after %.2f round trips", took.Seconds()/rtt.Seconds())
					if took > test.most+rtt/4 {
						t.Errorf("the first frame came after %v, want %v", took, test.most)
					}
				})
			})
		}
	}
}

func nativeURL(s *moqtest.Server) string { return s.URL }

// earlyConfig allows early data.
func earlyConfig() *quic.Config {
	c := quicconn.DefaultConfig()
	c.Allow0RTT = true
	return c
}

// sendEarly makes a client of a Link send early data.
func sendEarly(c *impl.Client) {
	native := c.Transport.(transport.ByScheme)["moqt"].(*quicconn.Dialer)
	native.QUICConfig = earlyConfig()
	native.TLSConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
}

// toFirstFrame dials, reads a track of the room until its end, and returns the
// time until the first frame.
func toFirstFrame(t *testing.T, client *impl.Client, url string) time.Duration {
	t.Helper()
	began := time.Now()
	s, err := client.Dial(t.Context(), url, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	r := subscribe(t, s, "room", nil)
	g, err := r.AcceptGroup(t.Context())
	if err == nil {
		err = g.ReadFrame(new(api.Frame))
	}
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	_ = r.Close()
	time.Sleep(time.Second) // the session's ticket is there
	_ = s.Terminate(api.SessionNoError, "")
	return took
}
