package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestMissingHeadIsTold: a viewer that wants whatever is there has begun a track
// with group 2. Another one asks for the groups from 1 on, and is told soon that
// group 1 is lost, behind one relay and two, whatever the version tells of the max
// age.
func TestMissingHeadIsTold(t *testing.T) {
	for _, from := range api.Versions() {
		for _, to := range api.Versions() {
			for _, lasting := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %s, lasting %v", from, to, lasting), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { missingHead(t, from, to, lasting) })
				})
			}
		}
	}
}

func missingHead(t *testing.T, from, to api.Version, lasting bool) {
	first, _ := startRelay()
	defer first.Close()
	last := behind(t, from, first)
	defer last.Close()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
		for seq := api.GroupSequence(2); w.Context().Err() == nil; seq++ {
			if g, err := w.OpenGroupAt(w.Context(), seq); err == nil {
				writeNumber(g)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-w.Context().Done():
			}
		}
	})
	dial(t, first, from, mux)
	time.Sleep(time.Second)
	defer subscribe(t, dial(t, first, to, api.NewTrackMux()), nil).Close()
	client := last.Client()
	client.Config = &api.Config{Versions: []api.Version{to}}
	dialer := api.Dialer(client)
	if lasting {
		dialer = impl.NewRedialer(client, redial.Policy{})
	}
	s, err := dialer.Dial(t.Context(), last.URL, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Terminate(api.SessionNoError, "")
	for _, later := range []time.Duration{0, 20 * time.Second} {
		time.Sleep(later)
		r := subscribe(t, s, &api.SubscribeConfig{StartGroup: 1})
		if took := untilLost(t, r, 1); took > 6*time.Second {
			t.Errorf("told after %v", took)
		}
		_ = r.Close()
	}
}

// untilLost reads a track until it is told that a group is lost, for 20 s at most,
// and returns how long that takes.
func untilLost(t *testing.T, r api.TrackReader, seq api.GroupSequence) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < 20*time.Second {
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		for g.ReadFrame(&f) == nil {
		}
		if slices.Contains(lostIn(r.Gaps()), seq) {
			break
		}
	}
	return time.Since(began)
}
