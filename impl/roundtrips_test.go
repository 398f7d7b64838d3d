package impl_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestRoundTripsToTheFirstFrame counts the round trips from Dial to the first
// frame, over a link of 50 ms each. The documentation of the package tells
// them.
func TestRoundTripsToTheFirstFrame(t *testing.T) {
	const rtt = 50 * time.Millisecond
	for _, test := range []struct {
		scheme string
		most   time.Duration
	}{
		{"moqt", 2 * rtt},
		{"https", 4 * rtt},
	} {
		for _, v := range api.Versions() {
			t.Run(test.scheme+"/"+string(v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mux := api.NewTrackMux()
					publishGroups(t, mux, "room", 1)
					server := moqtest.NewUnstartedServer(mux)
					server.Link = &moqtest.Link{Delay: rtt / 2}
					server.Start()
					defer server.Close()
					client := server.Client()
					client.Config = &api.Config{Versions: []api.Version{v}}
					began := time.Now()
					s, err := client.Dial(t.Context(), map[string]string{"moqt": server.URL, "https": server.WebTransportURL()}[test.scheme], api.NewTrackMux())
					if err != nil {
						t.Fatal(err)
					}
					r := subscribe(t, s, "room", nil)
					g, err := r.AcceptGroup(t.Context())
					if err == nil {
						err = g.ReadFrame(new(api.Frame))
					}
					took := time.Since(began)
					if err != nil {
						t.Fatal(err)
					}
					t.Logf("the first frame came after %.2f round trips", took.Seconds()/rtt.Seconds())
					if took > test.most+rtt/4 {
						t.Errorf("the first frame came after %v, want %v", took, test.most)
					}
					_ = r.Close()
				})
			})
		}
	}
}
