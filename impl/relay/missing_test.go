package relay_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A lossy publisher writes groups 0 to 19 of "room", one each 100 ms: some are
// left out, and some are reset within their first frame.
type lossy struct {
	left, torn []api.GroupSequence
	code       api.StreamErrorCode
	fetched    chan api.GroupSequence // the groups that were fetched; torn ones can be
}

func (l *lossy) serve(w api.TrackWriter) {
	for seq := range api.GroupSequence(20) {
		time.Sleep(100 * time.Millisecond)
		if slices.Contains(l.left, seq) {
			continue
		}
		g, err := w.OpenGroupAt(w.Context(), seq)
		if err != nil {
			return
		}
		if slices.Contains(l.torn, seq) {
			body, _ := g.StartFrame(api.FrameHeader{Timestamp: uint64(seq+1) * 100, Size: uint64(len(fmt.Sprint(seq)))})
			_, _ = body.Write([]byte(fmt.Sprint(seq))[:1])
			time.Sleep(10 * time.Millisecond)
			g.Cancel(l.code)
			continue
		}
		writeNumber(g)
	}
}

func (l *lossy) fetch(w api.GroupWriter, req api.FetchRequest) {
	l.fetched <- req.Group
	if slices.Contains(l.torn, req.Group) {
		writeNumber(w)
	} else {
		w.Cancel(api.StreamNotFound)
	}
}

// writeNumber writes a group of one frame, which contains its number.
func writeNumber(g api.GroupWriter) {
	_ = g.WriteFrame(api.Frame{Timestamp: uint64(g.Sequence()+1) * 100, Payload: fmt.Append(nil, g.Sequence())})
	_ = g.Close()
}

// watchLossy reads what a lossy publisher writes through a relay.
func watchLossy(t *testing.T, l *lossy, from, to api.Version, check func(seen, lost []api.GroupSequence, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		l.fetched = make(chan api.GroupSequence, 100)
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", api.TrackFuncs{Serve: l.serve, Fetch: l.fetch}); err != nil {
			t.Fatal(err)
		}
		dial(t, server, from, mux)
		s := dial(t, server, to, api.NewTrackMux())
		time.Sleep(time.Second)
		r := subscribe(t, s, nil)
		seen, torn, err := wholeNumbers(t, r)
		check(seen, lostIn(r.Gaps(), torn...), err)
	})
}

// wholeNumbers reads a track to its end, all groups at once, and returns those
// that came completely, and those that broke off.
func wholeNumbers(t *testing.T, r api.TrackReader) (seen, torn []api.GroupSequence, err error) {
	t.Helper()
	type result struct {
		seq api.GroupSequence
		err error
	}
	results, n := make(chan result, 1000), 0
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			return seen, torn, err
		}
		n++
		go func() {
			var f api.Frame
			err := g.ReadFrame(&f)
			if err == nil && string(f.Payload) != fmt.Sprint(g.Sequence()) {
				err = fmt.Errorf("group %d has %q", g.Sequence(), f.Payload)
				t.Error(err)
			}
			results <- result{g.Sequence(), err}
		}()
	}
	for range n {
		if r := <-results; r.err == nil {
			seen = append(seen, r.seq)
		} else {
			torn = append(torn, r.seq)
		}
	}
	slices.Sort(seen)
	return seen, torn, nil
}

// lostIn returns the groups of gaps, and those that broke off.
func lostIn(gaps []api.Gap, lost ...api.GroupSequence) []api.GroupSequence {
	for _, g := range gaps {
		for seq := g.Start; seq < g.End; seq++ {
			lost = append(lost, seq)
		}
	}
	slices.Sort(lost)
	return slices.Compact(lost)
}

func without(lost ...api.GroupSequence) (rest []api.GroupSequence) {
	for seq := range api.GroupSequence(20) {
		if !slices.Contains(lost, seq) {
			rest = append(rest, seq)
		}
	}
	return rest
}

// TestAskedAgain: groups are reset on the way to the relay, which fetches them,
// so that its viewers get all.
func TestAskedAgain(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			l := &lossy{torn: []api.GroupSequence{5, 12, 19}, code: api.StreamDeliveryTimeout}
			watchLossy(t, l, v, v, func(seen, lost []api.GroupSequence, err error) {
				if err != nil || !slices.Equal(seen, without()) || lost != nil {
					t.Errorf("groups %v, then %v; want 0 to 19; lost %v", seen, err, lost)
				}
				if len(l.fetched) != 3 {
					t.Errorf("%d fetches, want 3", len(l.fetched))
				}
			})
		})
	}
}

// TestGapsTravel: groups are lost above the relay that nobody has. Viewers are
// told of each, to the end of the track.
func TestGapsTravel(t *testing.T) {
	for _, from := range api.Versions() {
		for _, to := range api.Versions() {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				never := []api.GroupSequence{3, 4, 9, 14, 18}
				l := &lossy{left: never[:3], torn: never[3:], code: api.StreamOld}
				watchLossy(t, l, from, to, func(seen, lost []api.GroupSequence, err error) {
					if err != nil || !slices.Equal(seen, without(never...)) || !slices.Equal(lost, never) {
						t.Errorf("groups %v, then %v; lost %v; want all but %v", seen, err, lost, never)
					}
				})
			})
		}
	}
}

// TestFetchesAreBounded: a publisher leaves out a million groups at once.
func TestFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		l := &lossy{fetched: make(chan api.GroupSequence, 1000)}
		mux := api.NewTrackMux()
		_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: l.fetch, Serve: func(w api.TrackWriter) {
			for _, seq := range []api.GroupSequence{0, 1_000_000} {
				if g, err := w.OpenGroupAt(w.Context(), seq); err == nil {
					writeNumber(g)
				}
				time.Sleep(time.Second)
			}
		}})
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		time.Sleep(time.Second)
		r := subscribe(t, s, nil)
		seen, _, err := wholeNumbers(t, r)
		gaps := r.Gaps()
		if err != nil || len(seen) != 2 || len(gaps) == 0 || gaps[0].Start != 1 || gaps[len(gaps)-1].End != 1_000_000 {
			t.Errorf("groups %v, then %v; gaps %v", seen, err, gaps)
		}
		if n := len(l.fetched); n == 0 || n > 32 {
			t.Errorf("%d fetches for a gap of a million groups", n)
		}
	})
}

// TestGapOfAChangeOver: a standby that lacks some groups takes over.
func TestGapOfAChangeOver(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				standby := connectTwin(t, server, v, 4711)
				time.Sleep(time.Second)
				active := connectTwin(t, server, v, 4712)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				go func() {
					write(t, 0, 10, active)
					_ = active.session.Terminate(api.SessionNoError, "")
					write(t, 10, 14) // time passes
					write(t, 14, 20, standby)
					_ = standby.track.Close()
				}()
				r := subscribe(t, s, nil)
				seen, _, err := wholeNumbers(t, r)
				lost := []api.GroupSequence{10, 11, 12, 13}
				if gaps := r.Gaps(); err != nil || !slices.Equal(seen, without(lost...)) || !slices.Equal(lostIn(gaps), lost) {
					t.Errorf("groups %v, then %v; gaps %v; want all but %v", seen, err, gaps, lost)
				}
			})
		})
	}
}

// TestGapNobodyAskedFor: the only viewer of a track waits for a group far
// ahead, while the publisher, which keeps nothing, writes on. A viewer that
// comes then and finds older groups at the relay is told soon which are
// missing, even if the version does not tell how old groups may become.
func TestGapNobodyAskedFor(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux, began := api.NewTrackMux(), time.Now()
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Serve: func(w api.TrackWriter) {
					for seq := api.GroupSequence(time.Since(began)/time.Second) + 1; ; seq++ {
						select {
						case <-time.After(time.Until(began.Add(time.Duration(seq) * time.Second))):
						case <-w.Context().Done():
							return
						}
						if g, err := w.OpenGroupAt(w.Context(), seq); err == nil {
							writeNumber(g)
						}
					}
				}})
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(500 * time.Millisecond)
				defer subscribe(t, s, &api.SubscribeConfig{StartGroup: 1 << 30}).Close()
				first := subscribe(t, s, nil)
				time.Sleep(3 * time.Second)
				_ = first.Close()
				time.Sleep(4 * time.Second)
				r := subscribe(t, s, nil)
				defer r.Close()
				var seen []api.GroupSequence
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				defer cancel()
				for g := range api.Groups(ctx, r) {
					if g != nil {
						seen = append(seen, g.Sequence())
					}
				}
				seen = lostIn(r.Gaps(), seen...)
				if want := without(0)[:14]; !slices.Equal(seen, want) {
					t.Errorf("came or told as lost are groups %v, want %v", seen, want)
				}
			})
		})
	}
}

// TestManyGroupsHeldUpstream: a viewer wants all groups of a track whose only
// viewer so far began with the newest. It gets those that the publisher holds,
// many more than are accepted at once.
func TestManyGroupsHeldUpstream(t *testing.T) {
	const held = 300
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{MaxLatency: time.Minute})
				for range held {
					g, _ := track.OpenGroup(t.Context())
					writeNumber(g)
				}
				_ = mux.Publish(t.Context(), "room", b)
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				first := subscribe(t, s, &api.SubscribeConfig{StartGroup: api.GroupLatest})
				defer first.Close()
				if _, err := first.AcceptGroup(t.Context()); err != nil {
					t.Fatal(err)
				}
				r := subscribe(t, s, nil)
				time.AfterFunc(2*time.Second, func() { _ = track.Close() })
				if seen, torn, _ := wholeNumbers(t, r); len(seen) != held || torn != nil {
					t.Errorf("%d groups came, and %d broke off; want %d", len(seen), len(torn), held)
				}
			})
		})
	}
}
