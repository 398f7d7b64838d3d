package impl_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// fourGroups publishes groups 0 to 3 of four frames each, with equal
// timestamps, and then waits for the end of the subscription.
func fourGroups(t *testing.T, mux *api.TrackMux) {
	t.Helper()
	publish(t, mux, func(w api.TrackWriter) {
		for range 4 {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			for i := range 4 {
				_ = g.WriteFrame(api.Frame{Timestamp: uint64(g.Sequence())*10 + uint64(i), Payload: []byte{'x'}})
			}
			_ = g.Close()
		}
		<-w.Context().Done()
	})
}

// TestSubscriptionFrameBounds checks that the session skips frames of the
// first and the last group, whatever the handler writes.
func TestSubscriptionFrameBounds(t *testing.T) {
	tests := []struct {
		config api.SubscribeConfig
		want   string // group/first frame: timestamps, by group
	}{
		{api.SubscribeConfig{StartGroup: 1, StartFrame: 2, EndGroup: 3}, "1/2: 12 13; 2/0: 20 21 22 23"},
		{api.SubscribeConfig{StartGroup: 1, EndGroup: 3, EndFrame: 1}, "1/0: 10 11 12 13; 2/0: 20"},
		{api.SubscribeConfig{StartFrame: 3, EndGroup: 1, EndFrame: 9}, "0/3: 3"},
		{api.SubscribeConfig{StartGroup: 2, StartFrame: 1, EndGroup: 3, EndFrame: 3}, "2/1: 21 22"},
	}
	for _, test := range tests {
		inVersions(t, []api.Version{api.Lite06}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
			fourGroups(t, mux)
			c := test.config
			r := subscribe(t, s, "room", &c)
			var groups []string
			for range c.EndGroup - c.StartGroup { // which is no end of the track
				g := accept(t, r)
				got := fmt.Sprintf("%d/%d:", g.Sequence(), g.FirstFrame())
				for f, err := range api.Frames(t.Context(), g, new(api.Frame)) {
					if err != nil {
						t.Fatal(err)
					}
					got += fmt.Sprintf(" %d", f.Timestamp)
				}
				groups = append(groups, got)
			}
			slices.Sort(groups)
			got := strings.Join(groups, "; ")
			if got != test.want {
				t.Errorf("%+v: %q, want %q", c, got, test.want)
			}
		})
	}
}

func TestFrameBoundsAreNotSupportedBefore06(t *testing.T) {
	inVersions(t, []api.Version{api.Lite03, api.Lite04, api.Lite05}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fourGroups(t, mux)
		_, err := s.Subscribe(t.Context(), "room", "video", &api.SubscribeConfig{StartFrame: 1})
		if !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("subscribe: %v, want ErrNotSupported", err)
		}
		r := subscribe(t, s, "room", nil)
		if err := r.Update(&api.SubscribeConfig{EndGroup: 2, EndFrame: 1}); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("update: %v, want ErrNotSupported", err)
		}
	})
}

// TestEndOfTheRangePauses checks that a subscription pauses at the end of its
// range until an update raises that.
func TestEndOfTheRangePauses(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for seq := api.GroupSequence(0); ; {
				for end := w.Request().Config.EndGroup; seq < end || end == 0 && seq < 6; seq++ {
					g, err := w.OpenGroupAt(w.Context(), seq)
					if err != nil {
						return
					}
					_ = g.Close()
				}
				if seq == 6 {
					return
				}
				select {
				case <-w.Updated():
				case <-w.Context().Done():
					return
				}
			}
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{EndGroup: 2})
		read := func(n int) {
			t.Helper()
			for range n {
				if err := accept(t, r).ReadFrame(new(api.Frame)); err != io.EOF {
					t.Fatal(err)
				}
			}
		}
		read(2)
		if err := r.Update(&api.SubscribeConfig{EndGroup: 4}); err != nil {
			t.Fatal(err)
		}
		read(2)
		if err := r.Update(&api.SubscribeConfig{}); err != nil {
			t.Fatal(err)
		}
		read(2)
		if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
			t.Errorf("after the track's last: %v, want its end", err)
		}
	})
}

// TestEdgeWithoutAWord starts at the newest group with moq-lite-06, which
// cannot express that: the subscription asks for the newest group alone, and
// then for those after it.
func TestEdgeWithoutAWord(t *testing.T) {
	inVersions(t, []api.Version{api.Lite06}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		configs := make(chan api.SubscribeConfig, 3)
		publish(t, mux, func(w api.TrackWriter) {
			configs <- w.Request().Config
			openEmpty(t, w, 7)
			for {
				select {
				case <-w.Updated():
					configs <- w.Request().Config
				case <-w.Context().Done():
					return
				}
			}
		})
		config := api.SubscribeConfig{StartGroup: api.GroupLatest, MaxLatency: 3 * time.Second, Priority: 5}
		r := subscribe(t, s, "room", &config)
		defer r.Close()
		if g := accept(t, r); g.Sequence() != 7 {
			t.Errorf("group %d, want 7", g.Sequence())
		}
		synctest.Wait() // updates that come at once are one
		config.Priority = 6
		if err := r.Update(&config); err != nil {
			t.Fatal(err)
		}
		for _, want := range []api.SubscribeConfig{
			{MaxLatency: -1, Priority: 5},
			{StartGroup: 7, MaxLatency: 3 * time.Second, Priority: 5},
			{StartGroup: 7, MaxLatency: 3 * time.Second, Priority: 6},
		} {
			if got := <-configs; got != want {
				t.Errorf("asked for %+v, want %+v", got, want)
			}
		}
	})
}

// TestLatestOfNothing checks that the newest group is 0 for a handler that
// does not know better.
func TestLatestOfNothing(t *testing.T) {
	handlers := map[string]struct {
		wrap func(api.TrackHandler) api.TrackHandler
		want api.GroupSequence
	}{
		"a handler":                       {func(h api.TrackHandler) api.TrackHandler { return h }, 0},
		"a handler that knows its groups": {func(h api.TrackHandler) api.TrackHandler { return knowing{h, 7, true} }, 7},
		"a handler that knows of none":    {func(h api.TrackHandler) api.TrackHandler { return knowing{TrackHandler: h} }, api.GroupLatest},
	}
	for name, test := range handlers {
		t.Run(name, func(t *testing.T) {
			inVersions(t, []api.Version{api.Lite03, api.Lite04, api.Lite05}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
				started := make(chan api.GroupSequence, 1)
				_ = mux.Publish(t.Context(), "room", test.wrap(api.TrackHandlerFunc(func(w api.TrackWriter) {
					started <- w.Request().Config.StartGroup
					for seq := range api.GroupSequence(10) {
						if g, err := w.OpenGroupAt(w.Context(), seq); err == nil {
							_ = g.Close()
						}
					}
				})))
				r := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: api.GroupLatest})
				if got := <-started; got != test.want {
					t.Errorf("the handler sees StartGroup %d, want %d", got, test.want)
				}
				read := 0
				for _, err := range api.Groups(t.Context(), r) {
					if err != nil {
						t.Fatal(err)
					}
					read++
				}
				if want := map[api.GroupSequence]int{0: 10, 7: 3, api.GroupLatest: 10}[test.want]; read != want {
					t.Errorf("%d groups came, want %d", read, want)
				}
			})
		})
	}
}

// A knowing is a handler that knows its newest group.
type knowing struct {
	api.TrackHandler
	latest api.GroupSequence
	has    bool
}

func (k knowing) LatestGroup(api.TrackName) (api.GroupSequence, bool) { return k.latest, k.has }
