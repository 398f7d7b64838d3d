package live_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

func TestDemand(t *testing.T) {
	tests := []struct {
		name    string
		configs []api.SubscribeConfig
		want    api.SubscribeConfig
	}{
		{"nobody", nil, api.SubscribeConfig{}},
		{"the newest", []api.SubscribeConfig{{StartGroup: api.GroupLatest}}, api.SubscribeConfig{StartGroup: api.GroupLatest}},
		{"one", []api.SubscribeConfig{{Priority: 3, MaxLatency: time.Second, StartGroup: 7, EndGroup: 9, EndFrame: 2}},
			api.SubscribeConfig{Priority: 3, MaxLatency: time.Second, StartGroup: 7, EndGroup: 9}},
		{"the most of all", []api.SubscribeConfig{
			{Priority: -3, MaxLatency: time.Second, StartGroup: 7, EndGroup: 9},
			{Priority: 5, MaxLatency: -1, StartGroup: 5, EndGroup: 20},
			{Priority: 4, MaxLatency: time.Minute, StartGroup: api.GroupLatest, EndGroup: 10},
		}, api.SubscribeConfig{Priority: 5, MaxLatency: time.Minute, EndGroup: 20}},
		{"the lowest start", []api.SubscribeConfig{{StartGroup: 7}, {StartGroup: 5}}, api.SubscribeConfig{StartGroup: 5}},
		{"the newest, which may be below a number", []api.SubscribeConfig{
			{StartGroup: api.GroupLatest}, {StartGroup: 1 << 30},
		}, api.SubscribeConfig{}},
		{"without bounds", []api.SubscribeConfig{
			{MaxLatency: time.Second, EndGroup: 9},
			{StartGroup: 3},
		}, api.SubscribeConfig{}},
		{"without an end, and then with one", []api.SubscribeConfig{{}, {EndGroup: 9}, {EndGroup: 20}}, api.SubscribeConfig{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{})
				var all []*subscriber
				for _, c := range test.configs {
					all = append(all, serve(t, b, c))
				}
				d, _ := track.Demand()
				if d.Subscribers != len(all) || d.Config != test.want {
					t.Errorf("demand %+v, want %+v", d, test.want)
				}
				if named := lowestNamed(test.configs); d.LowestStart != named {
					t.Errorf("the lowest group that is named is %d, want %d", d.LowestStart, named)
				}
				for _, s := range all {
					s.leave()
				}
			})
		})
	}
}

// lowestNamed returns the lowest group at which a config begins by its number.
func lowestNamed(configs []api.SubscribeConfig) (lowest api.GroupSequence) {
	for _, c := range configs {
		if c.StartGroup > 0 && c.StartGroup < api.GroupLatest && (lowest == 0 || c.StartGroup < lowest) {
			lowest = c.StartGroup
		}
	}
	return lowest
}

func TestDemandTellsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		var s *subscriber
		for _, step := range []struct {
			do          func()
			subscribers int
			priority    api.Priority
		}{
			{func() { s = serve(t, b, api.SubscribeConfig{}) }, 1, 0},
			{func() { s.Update(api.SubscribeConfig{Priority: 4}) }, 1, 4},
			{func() { s.leave() }, 0, 0},
		} {
			_, changed := track.Demand()
			synctest.Wait()
			select {
			case <-changed:
				t.Error("a change is told before it")
			default:
			}
			step.do()
			<-changed
			if d, _ := track.Demand(); d.Subscribers != step.subscribers || d.Config.Priority != step.priority {
				t.Errorf("demand %+v, want %+v", d, step)
			}
		}
	})
}

func TestCloseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		b := &live.Broadcast{OnTrack: func(api.TrackRequest) (*live.Track, error) {
			made++
			return live.NewTrack(api.TrackInfo{Priority: api.Priority(made)}, live.Limits{}), nil
		}}
		if _, err := b.TrackInfo(t.Context(), api.TrackRequest{Name: "video"}); err != nil {
			t.Fatal(err)
		}
		track := b.Track("video", api.TrackInfo{})
		s := serve(t, b, api.SubscribeConfig{})
		if track.CloseIdle() {
			t.Error("a track with a subscriber is idle")
		}
		s.leave()
		synctest.Wait()
		if !track.CloseIdle() || track.Context().Err() == nil {
			t.Error("a track without subscribers is not idle")
		}
		s = serve(t, b, api.SubscribeConfig{})
		s.expectServed(t, "by another track")
		if made != 2 {
			t.Errorf("%d tracks were made, want 2", made)
		}
		s.leave()
	})
}

// TestIdleTracksTurnNobodyAway, however often they end just as a subscriber
// comes.
func TestIdleTracksTurnNobodyAway(t *testing.T) {
	b := &live.Broadcast{OnTrack: func(api.TrackRequest) (*live.Track, error) {
		track := live.NewTrack(api.TrackInfo{}, live.Limits{})
		put(t, track, "x")
		return track, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		var working sync.WaitGroup
		for range 200 {
			working.Go(func() { b.Track("video", api.TrackInfo{}).CloseIdle() })
			working.Go(func() {
				s := serveQuietly(t, b)
				if got := len(s.Groups()); got != 1 {
					t.Errorf("%d groups came, want 1", got)
				}
			})
		}
		working.Wait()
	})
}

// relay fills b from upstream as long as there is demand, with one subscription
// for all.
func relay(b *live.Broadcast, upstream api.Subscriber, subscriptions *int) func(api.TrackRequest) (*live.Track, error) {
	return func(req api.TrackRequest) (*live.Track, error) {
		track := live.NewTrack(api.TrackInfo{}, b.Limits)
		go func() {
			d, changed := track.Demand()
			for d.Subscribers == 0 {
				<-changed
				d, changed = track.Demand()
			}
			*subscriptions++
			r, err := upstream.Subscribe(context.Background(), "source", req.Name, &d.Config)
			if err != nil {
				_ = track.CloseWithError(api.ErrorCode(err))
				return
			}
			defer r.Close()
			var copying sync.WaitGroup
			copying.Go(func() {
				for {
					select {
					case <-changed:
					case <-r.Context().Done():
						return
					}
					d, changed = track.Demand()
					if track.CloseIdle() {
						_ = r.Close()
						return
					}
					_ = r.Update(&d.Config)
				}
			})
			for g, err := range api.Groups(context.Background(), r) {
				if err != nil {
					_ = track.CloseWithError(api.ErrorCode(err))
					break
				}
				if w, err := track.OpenGroupAt(context.Background(), g.Sequence()); err == nil {
					copying.Go(func() { _ = api.CopyGroup(w, g) })
				} else {
					g.Cancel(api.ErrorCode(err))
				}
			}
			_ = track.Close()
			copying.Wait()
		}()
		return track, nil
	}
}

// TestOneUpstreamSubscription serves many subscribers, ends with the last of
// them, and begins again for the next.
func TestOneUpstreamSubscription(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := new(live.Broadcast)
				origin := source.Track("video", api.TrackInfo{})
				mux := api.NewTrackMux()
				if err := mux.Publish(t.Context(), "source", source); err != nil {
					t.Fatal(err)
				}
				upstream, stop := dial(t, mux, v)
				defer stop()
				subscriptions := 0
				b := new(live.Broadcast)
				b.OnTrack = relay(b, upstream, &subscriptions)

				many := []*subscriber{serve(t, b, api.SubscribeConfig{}), serve(t, b, api.SubscribeConfig{})}
				for _, payload := range []string{"a", "b"} {
					put(t, origin, payload)
					synctest.Wait()
				}
				many = append(many, serve(t, b, api.SubscribeConfig{StartGroup: api.GroupLatest}), serve(t, b, api.SubscribeConfig{StartGroup: 1}))
				put(t, origin, "c")
				for i, want := range []string{"0:a 1:b 2:c", "0:a 1:b 2:c", "1:b 2:c", "1:b 2:c"} {
					many[i].expect(t, fmt.Sprint("subscriber ", i), want)
				}
				if n := origin.Subscribers(); n != 1 || subscriptions != 1 {
					t.Errorf("%d upstream subscriptions, %d in all, want 1", n, subscriptions)
				}
				for _, s := range many {
					s.leave()
				}
				synctest.Wait()
				if n := origin.Subscribers(); n != 0 {
					t.Errorf("%d upstream subscriptions for nobody", n)
				}
				again := serve(t, b, api.SubscribeConfig{StartGroup: api.GroupLatest})
				put(t, origin, "d")
				again.expect(t, "later", "2:c 3:d")
				_ = source.Close()
				time.Sleep(time.Minute) // the session still waits for what is on the way
				again.expectEnd(t, "with the source", nil)
				if subscriptions != 2 {
					t.Errorf("%d upstream subscriptions in all, want 2", subscriptions)
				}
			})
		})
	}
}
