package redial_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/redial"
)

// A publisher is one run of a program that publishes the track "video" of
// "room": a group at each interval, numbered from 0, whose one frame is its
// name.
type publisher struct {
	name   string
	silent chan struct{} // closed: it says nothing any more, as if it was killed
	mux    *api.TrackMux
}

func newPublisher(t *testing.T, name string) *publisher {
	t.Helper()
	p := &publisher{name: name, silent: make(chan struct{}), mux: api.NewTrackMux()}
	if err := p.mux.PublishFunc(t.Context(), "room", p.serve); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *publisher) serve(w api.TrackWriter) {
	for {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte(p.name)})
		_ = g.Close()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-p.silent:
			<-w.Context().Done()
			return
		case <-w.Context().Done():
			return
		}
	}
}

// connect dials a relay with a client of its own. A hop of 0 is a random one.
func (p *publisher) connect(t *testing.T, server *node, v api.Version, hop api.Hop) (leave func()) {
	t.Helper()
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
	if _, err := c.Dial(t.Context(), server.URL, p.mux); err != nil {
		t.Fatal(err)
	}
	return func() { _ = c.Close() }
}

// A sequel is what a viewer gets of one publisher after another.
type sequel struct {
	names    []string // of the publishers, in order of appearance
	restarts []*api.RestartError
	silence  time.Duration // the longest
	err      error         // why the track ended, if it did
}

// view reads a track until its end, or ctx's.
func view(ctx context.Context, r api.TrackReader) (s sequel) {
	last := time.Now()
	for {
		g, err := r.AcceptGroup(ctx)
		s.silence = max(s.silence, time.Since(last))
		last = time.Now()
		if restart, ok := errors.AsType[*api.RestartError](err); ok {
			s.restarts = append(s.restarts, restart)
			continue
		}
		switch {
		case ctx.Err() != nil:
			return s
		case err != nil:
			s.err = err
			return s
		}
		var f api.Frame
		for g.ReadFrame(&f) == nil {
			if !slices.Contains(s.names, string(f.Payload)) {
				s.names = append(s.names, string(f.Payload))
			}
		}
	}
}

// TestPublisherReplaced replaces a publisher by another instance at the same
// path, behind a relay that stays: the viewer moves to it, over the same
// session, and gets one RestartError. The old one is lost after ten seconds of
// silence.
func TestPublisherReplaced(t *testing.T) {
	for _, c := range []struct {
		name     string
		hop      api.Hop
		killed   bool          // the old one falls silent before the new one is there
		patience time.Duration // how long nothing may come
		versions []api.Version
	}{
		{"killed and started again", 0, true, time.Second, api.Versions()},
		{"killed and started again with the same identity", cameraHop, true, 14 * time.Second, withOrigins},
		{"started before the old one leaves", 0, false, 500 * time.Millisecond, api.Versions()},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				server := startRelay(0)
				defer server.Close()
				one, two := newPublisher(t, "one"), newPublisher(t, "two")
				leave := one.connect(t, server, v, c.hop)
				n, s := viewer(t, server, v, redial.Policy{})
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(100 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				time.AfterFunc(30*time.Second, func() {
					if c.killed {
						close(one.silent)
						time.Sleep(500 * time.Millisecond)
					}
					two.connect(t, server, v, c.hop)
					time.Sleep(10 * time.Second)
					leave()
				})
				seen := view(ctx, subscribe(t, s, nil))
				if seen.err != nil || !slices.Equal(seen.names, []string{"one", "two"}) {
					t.Errorf("saw %v, and then %v", seen.names, seen.err)
				}
				if len(seen.restarts) != 1 {
					t.Errorf("restarted %v", seen.restarts)
				}
				if seen.silence > c.patience {
					t.Errorf("silent for %v", seen.silence)
				}
				if ports := n.ports(); len(ports) != 1 {
					t.Errorf("dialled %v", ports)
				}
			}, c.versions...)
		})
	}
}

// TestServerRestarted restarts a publisher's own server, to which the viewer is
// connected: as the same origin or as another, it numbers from 0 again.
func TestServerRestarted(t *testing.T) {
	for _, hop := range []api.Hop{0, cameraHop} {
		t.Run(fmt.Sprint("hop ", hop), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				start := func(name string) *node {
					server := newUnstartedNode(newPublisher(t, name).mux, nil, 0)
					server.Config.Config = &api.Config{Hop: hop}
					server.Start()
					return server
				}
				first := start("one")
				n, s := viewer(t, first, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				time.AfterFunc(30*time.Second, func() {
					second := start("two")
					n.add("1", second, v)
					context.AfterFunc(ctx, func() { _ = second.Config.Close() })
					_ = first.Config.Close()
				})
				seen := view(ctx, subscribe(t, s, nil))
				if seen.err != nil || !slices.Equal(seen.names, []string{"one", "two"}) || len(seen.restarts) != 1 {
					t.Errorf("saw %v, restarted %v, and then %v", seen.names, seen.restarts, seen.err)
				}
				if seen.silence > 2*time.Second {
					t.Errorf("silent for %v", seen.silence)
				}
			})
		})
	}
}

// TestReplacedWhileReading replaces a publisher that was killed in the middle
// of a group. The reader of that group, which would otherwise wait until the
// relay notices the loss, gets a RestartError.
func TestReplacedWhileReading(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := startRelay(0)
		defer server.Close()
		mux := api.NewTrackMux()
		_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: []byte("one")})
			<-w.Context().Done() // with the group open
		})
		one := &publisher{mux: mux}
		leave := one.connect(t, server, v, 0)
		defer leave()
		_, s := viewer(t, server, v, quick())
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(100 * time.Millisecond)
		r := subscribe(t, s, nil)
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		newPublisher(t, "two").connect(t, server, v, 0)
		began := time.Now()
		var f api.Frame
		for err == nil {
			err = g.ReadFrame(&f)
		}
		if waited := time.Since(began); !errors.Is(err, api.ErrRestarted) || waited > 2*time.Second {
			t.Errorf("after %v, the group ended with %v", waited, err)
		}
		if _, err := r.AcceptGroup(t.Context()); !errors.Is(err, api.ErrRestarted) {
			t.Errorf("then came %v", err)
		}
		if g, err = r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "two" {
			t.Errorf("read %q, %v", f.Payload, err)
		}
	})
}

// TestReplacedTwice replaces a publisher twice in a short time, while a reader
// reads slowly: it gets a RestartError before the groups of each.
func TestReplacedTwice(t *testing.T) {
	for between := 100 * time.Millisecond; between <= 1500*time.Millisecond; between += 100 * time.Millisecond {
		t.Run(between.String(), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				server := startRelay(0)
				defer server.Close()
				newPublisher(t, "one").connect(t, server, v, 0)
				_, s := viewer(t, server, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(100 * time.Millisecond)
				time.AfterFunc(2*time.Second, func() {
					newPublisher(t, "two").connect(t, server, v, 0)
					time.Sleep(between)
					newPublisher(t, "three").connect(t, server, v, 0)
				})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				r := subscribe(t, s, nil)
				last, restarted := "one", false
				for ctx.Err() == nil { // it is too slow to ever have all that was received
					g, err := r.AcceptGroup(ctx)
					if errors.Is(err, api.ErrRestarted) {
						restarted = true
						continue
					}
					if err != nil {
						break
					}
					var f api.Frame
					if g.ReadFrame(&f) != nil {
						continue
					}
					if name := string(f.Payload); name != last {
						if !restarted {
							t.Errorf("a group of %s came after those of %s without a word", name, last)
						}
						last = name
					}
					restarted = false
					time.Sleep(400 * time.Millisecond)
				}
				if last != "three" {
					t.Errorf("the last was of %s", last)
				}
			})
		})
	}
}

// TestRenumberedBehindASlowReader restarts a publisher, which numbers its groups
// from 0 again, while groups of its first run wait for a slow reader. When that
// has read them, the new numbers have passed the old ones long ago: it is told of
// the restart all the same.
func TestRenumberedBehindASlowReader(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := startRelay(0)
		defer server.Close()
		leave := newPublisher(t, "one").connect(t, server, v, cameraHop)
		_, s := viewer(t, server, v, quick())
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(100 * time.Millisecond)
		r := subscribe(t, s, nil)
		time.AfterFunc(4*time.Second, func() {
			leave()
			time.Sleep(100 * time.Millisecond)
			newPublisher(t, "two").connect(t, server, v, cameraHop)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		restarted := false
		for {
			g, err := r.AcceptGroup(ctx)
			if errors.Is(err, api.ErrRestarted) {
				restarted = true
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			var f api.Frame
			if g.ReadFrame(&f) == nil && string(f.Payload) == "two" {
				break
			}
			time.Sleep(time.Second)
		}
		if !restarted {
			t.Error("groups of another numbering came without a word")
		}
	}, withOrigins...)
}

// publishes returns a mux that publishes the track "video" of "room".
func publishes(t *testing.T, serve func(w api.TrackWriter) error) *api.TrackMux {
	t.Helper()
	mux := api.NewTrackMux()
	err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
		if err := serve(w); err != nil && w.Context().Err() == nil {
			t.Error(err)
		}
		<-w.Context().Done()
	})
	if err != nil {
		t.Fatal(err)
	}
	return mux
}

func writeGroup(w api.TrackWriter, seq api.GroupSequence) error {
	g, err := w.OpenGroupAt(w.Context(), seq)
	if err != nil {
		return err
	}
	return errors.Join(g.WriteFrame(api.Frame{Payload: fmt.Append(nil, seq)}), g.Close())
}
