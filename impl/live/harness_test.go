package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// inEachVersion runs a test with a broadcast and a client's session with the
// server that publishes it, in memory and in a bubble.
func inEachVersion(t *testing.T, f func(t *testing.T, b *live.Broadcast, s api.Session)) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				session(t, b, v, func(t *testing.T, s api.Session) { f(t, b, s) })
			})
		})
	}
}

func session(t *testing.T, b *live.Broadcast, v api.Version, f func(t *testing.T, s api.Session)) {
	t.Helper()
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	s, stop := dial(t, mux, v)
	defer stop()
	f(t, s)
}

// dial starts a server of mux and connects to it.
func dial(t *testing.T, mux *api.TrackMux, v api.Version) (s api.Session, stop func()) {
	t.Helper()
	server := moqtest.NewServer(mux)
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}}
	s, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	return s, server.Close
}

func subscribe(t *testing.T, s api.Session, c *api.SubscribeConfig) api.TrackReader {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "room", "video", c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func accept(t *testing.T, r api.TrackReader) api.GroupReader {
	t.Helper()
	g, err := r.AcceptGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// readAll reads all groups until the track's end, and returns them in order of
// their numbers: "number:frame,frame".
func readAll(t *testing.T, r api.TrackReader) string {
	t.Helper()
	var groups []string
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatalf("after %v: %v", groups, err)
		}
		groups = append(groups, fmt.Sprintf("%d:%s", g.Sequence(), readGroup(g)))
	}
	slices.Sort(groups)
	return strings.Join(groups, " ")
}

// readGroup reads a group's frames, and returns them with its error, if it does
// not end regularly.
func readGroup(g api.GroupReader) string {
	var frames []string
	for {
		var f api.Frame
		err := g.ReadFrame(&f)
		if err == io.EOF {
			return strings.Join(frames, ",")
		}
		if err != nil {
			return strings.Join(append(frames, fmt.Sprintf("!%d", api.ErrorCode(err))), ",")
		}
		frames = append(frames, string(f.Payload))
	}
}

// open opens the next group with some frames, all with the same timestamp.
func open(t *testing.T, track api.TrackSink, timestamp uint64, frames ...string) api.GroupWriter {
	t.Helper()
	g, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, g, timestamp, frames...)
	return g
}

func openAt(t *testing.T, track api.TrackSink, seq api.GroupSequence, timestamp uint64, frames ...string) api.GroupWriter {
	t.Helper()
	g, err := track.OpenGroupAt(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, g, timestamp, frames...)
	return g
}

func fill(t *testing.T, g api.GroupWriter, timestamp uint64, frames ...string) {
	t.Helper()
	for _, f := range frames {
		if err := g.WriteFrame(api.Frame{Timestamp: timestamp, Payload: []byte(f)}); err != nil {
			t.Fatal(err)
		}
	}
}

// put writes complete groups of one frame, with timestamps a millisecond apart.
func put(t *testing.T, track api.TrackSink, frames ...string) {
	t.Helper()
	for i, f := range frames {
		if err := open(t, track, uint64(1+i), f).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A subscriber records what is served to it.
type subscriber struct {
	*apitest.TrackRecorder
	leave context.CancelFunc
	done  chan struct{} // closed when ServeTrack has returned
}

// serve makes b serve a recorder, in a bubble.
func serve(t *testing.T, b *live.Broadcast, c api.SubscribeConfig) *subscriber {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r := apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "video", Config: c})
	s := &subscriber{TrackRecorder: r, leave: leave, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		b.ServeTrack(r)
	}()
	synctest.Wait()
	return s
}

// serveQuietly makes b serve a recorder for a moment, from any goroutine.
func serveQuietly(t *testing.T, b *live.Broadcast) *apitest.TrackRecorder {
	ctx, leave := context.WithTimeout(t.Context(), time.Second)
	defer leave()
	r := apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "video"})
	b.ServeTrack(r)
	return r
}

// served returns what a recorder has got: "number:frame,frame", with "…" for a
// group that is open and "!code" for one that was cancelled.
func (s *subscriber) served() string {
	synctest.Wait()
	var groups []string
	for _, g := range s.Groups() {
		groups = append(groups, fmt.Sprintf("%d:%s", g.Sequence(), recorded(g)))
	}
	return strings.Join(groups, " ")
}

func recorded(g *apitest.GroupRecorder) string {
	var frames []string
	for _, f := range g.Frames() {
		frames = append(frames, string(f.Payload))
	}
	switch closed, code := g.Closed(); {
	case code != nil:
		frames = append(frames, fmt.Sprintf("!%d", *code))
	case !closed:
		frames = append(frames, "…")
	}
	return strings.Join(frames, ",")
}

func (s *subscriber) expect(t *testing.T, what, want string) {
	t.Helper()
	if got := s.served(); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// expectEnd checks that the handler has returned, and that it has aborted with
// a code or, if that is nil, has not aborted.
func (s *subscriber) expectEnd(t *testing.T, what string, want *api.StreamErrorCode) {
	t.Helper()
	synctest.Wait()
	select {
	case <-s.done:
	default:
		t.Errorf("%s: still served", what)
		return
	}
	_, code := s.Closed()
	if (code == nil) != (want == nil) || code != nil && *code != *want {
		t.Errorf("%s: ended with %v, want %v", what, code, want)
	}
}

func (s *subscriber) expectServed(t *testing.T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case <-s.done:
		t.Errorf("%s: the subscription has ended", what)
	default:
	}
}

func expectCode(t *testing.T, what string, err error, code api.StreamErrorCode) {
	t.Helper()
	reset, ok := errors.AsType[*api.StreamError](err)
	if !ok || reset.Code != code {
		t.Errorf("%s: %v, want %v", what, err, code)
	}
}
