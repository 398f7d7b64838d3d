//go:build unix

package interop_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
)

// dial connects a session of this process, for features that the command line
// does not show.
func (s side) dial(t *testing.T, addr string, mux *api.TrackMux) (api.Session, *impl.Client) {
	t.Helper()
	client := s.client()
	t.Cleanup(func() { _ = client.Close() })
	session, err := client.Dial(t.Context(), s.scheme+"://"+addr, mux)
	if err != nil {
		t.Fatal(err)
	}
	return session, client
}

// client returns a client that speaks the version of a side.
func (s side) client() *impl.Client {
	return &impl.Client{
		TLSConfig: &tls.Config{InsecureSkipVerify: true},
		Config:    &api.Config{Versions: []api.Version{api.Version(s.version)}},
	}
}

// has05 reports whether a version has fetches, datagrams and the SETUP
// parameter Probe.
func (s side) has05() bool { return s.version == "moq-lite-05" || s.version == "moq-lite-06" }

// eachSide runs a test for each transport and some versions, in parallel.
func eachSide(t *testing.T, schemes, versions []string, f func(t *testing.T, s side)) {
	for _, scheme := range schemes {
		for _, version := range versions {
			s := side{scheme, version}
			t.Run(s.String(), func(t *testing.T) {
				t.Parallel()
				f(t, s)
			})
		}
	}
}

// A publisher publishes a group of the pattern and a datagram each 50 ms, until
// it or the test ends. A datagram takes a group number, so every other number
// is that of a group with a stream.
type publisher struct {
	session api.Session
	client  *impl.Client
	end     func() // of the track
}

func (s side) publishLive(t *testing.T, addr string, path api.BroadcastPath) *publisher {
	t.Helper()
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	data := b.Track(track, api.TrackInfo{MaxLatency: time.Minute})
	if err := mux.Publish(t.Context(), path, b); err != nil {
		t.Fatal(err)
	}
	session, client := s.dial(t, addr, mux)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer data.Close()
		for i := uint64(1); ctx.Err() == nil; i += 50 {
			g, err := data.OpenGroup(ctx)
			if err != nil {
				return
			}
			for frame := range frames {
				_ = g.WriteFrame(api.Frame{Timestamp: i, Payload: payload(int(g.Sequence()), frame)})
			}
			_ = g.Close()
			if s.has05() {
				_ = data.SendDatagram(api.Datagram{Timestamp: i, Payload: []byte("datagram")})
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return &publisher{session, client, func() { stop(); <-done }}
}

// subscribeTo waits for the broadcast, and subscribes.
func subscribeTo(t *testing.T, session api.Session, path api.BroadcastPath, c *api.SubscribeConfig) api.TrackReader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := api.SubscribeWhenAnnounced(ctx, session, path, track, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkGroup reads a group of the pattern.
func checkGroup(t *testing.T, g api.GroupReader) {
	t.Helper()
	i := 0
	for f, err := range api.Frames(t.Context(), g, nil) {
		if err != nil {
			t.Fatalf("group %d: %v", g.Sequence(), err)
		}
		sum := sha256.Sum256(f.Payload)
		if hex.EncodeToString(sum[:]) != digest(int(g.Sequence()), i) {
			t.Errorf("frame %d of group %d is not of the pattern", i, g.Sequence())
		}
		i++
	}
	if i != frames {
		t.Errorf("group %d has %d frames, want %d", g.Sequence(), i, frames)
	}
}

// accept reads the next group.
func accept(t *testing.T, r api.TrackReader) api.GroupReader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	g, err := r.AcceptGroup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	checkGroup(t, g)
	return g
}

// checkFetch fetches a group that is there, and one that is not.
func checkFetch(t *testing.T, s side, session api.Session, path api.BroadcastPath, group api.GroupSequence) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	g, err := session.Fetch(ctx, api.FetchRequest{Path: path, Name: track, Group: group})
	if !s.has05() {
		if !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("fetch: %v, want ErrNotSupported", err)
		}
		return
	}
	if err != nil {
		t.Errorf("fetch group %d: %v", group, err)
		return
	}
	checkGroup(t, g)
	if s.version != "moq-lite-06" {
		return
	}
	g, err = session.Fetch(ctx, api.FetchRequest{Path: path, Name: track, Group: group, StartFrame: 1})
	if err != nil {
		t.Errorf("fetch from frame 1 on: %v", err)
		return
	}
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil || hex.EncodeToString(sum(f.Payload)) != digest(int(group), 1) {
		t.Errorf("the frame from which on group %d was fetched is another one, %v", group, err)
	}
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// checkProbe expects a report of the peer's bitrate. It returns false if the
// peer has none.
func checkProbe(t *testing.T, s side, session api.Session) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := session.Probe(ctx)
	if errors.Is(err, api.ErrNotSupported) {
		return false
	}
	if err != nil {
		t.Error(err)
		return false
	}
	defer r.Close()
	b, err := r.Receive(ctx)
	// Below moq-lite-05, a peer cannot say beforehand that it has no reports.
	if err != nil && (s.has05() || err != io.EOF) {
		t.Errorf("probe: %v", err)
	}
	return err == nil && b.BitsPerSecond > 0
}

// checkDatagram expects a datagram.
func checkDatagram(t *testing.T, s side, r api.TrackReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var d api.Datagram
	err := r.ReceiveDatagram(ctx, &d)
	if s.has05() != (err == nil) || !s.has05() && !errors.Is(err, api.ErrNotSupported) {
		t.Errorf("datagram: %v", err)
	}
}

// checkEnd reads a track to its end, which must come.
func checkEnd(t *testing.T, r api.TrackReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			t.Errorf("instead of the track's end: %v", err)
			return
		}
		for err == nil {
			err = g.ReadFrame(new(api.Frame))
		}
	}
}

// checkVanished expects a track to break off.
func checkVanished(t *testing.T, r api.TrackReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		g, err := r.AcceptGroup(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			t.Error("nothing tells that the publisher has vanished")
			return
		case err != nil:
			return
		}
		for err == nil {
			err = g.ReadFrame(new(api.Frame))
		}
	}
}

// through tests all features of the protocol from one address to another, but
// datagrams only if they get through.
func through(t *testing.T, s side, from, to string, path api.BroadcastPath, datagrams bool) (session api.Session, passed []string) {
	t.Helper()
	p := s.publishLive(t, from, path)
	session, _ = s.dial(t, to, api.NewTrackMux())
	r := subscribeTo(t, session, path, &api.SubscribeConfig{Priority: 1})
	g := accept(t, r)
	if err := r.Update(&api.SubscribeConfig{Priority: 5, EndGroup: g.Sequence() + 1000}); err != nil {
		t.Error(err)
	}
	accept(t, r)
	checkFetch(t, s, session, path, g.Sequence())
	passed = []string{"announce", "publish", "subscribe", "update", "fetch"}
	if datagrams {
		checkDatagram(t, s, r)
		passed = append(passed, "datagram")
	}
	if checkProbe(t, s, session) {
		passed = append(passed, "probe")
	}
	p.end()
	checkEnd(t, r)

	gone := s.publishLive(t, from, path+"-vanishing")
	r = subscribeTo(t, session, path+"-vanishing", nil)
	accept(t, r)
	_ = gone.client.Close()
	checkVanished(t, r)
	return session, append(passed, "end", "vanish")
}

// checkGoAway expects a relay that is told to end to send its clients a GOAWAY.
func checkGoAway(t *testing.T, s side, relay *process, session api.Session) {
	t.Helper()
	relay.signal(syscall.SIGTERM)
	select {
	case <-session.GoneAway():
	case <-session.Context().Done():
		if s.version != "moq-lite-03" {
			t.Errorf("no GOAWAY, but %v", context.Cause(session.Context()))
		}
	case <-time.After(limit):
		t.Error("no GOAWAY")
	}
}

// TestFeaturesThroughMoqRelay tests all features through a relay that is not
// ours.
func TestFeaturesThroughMoqRelay(t *testing.T) {
	eachSide(t, allSchemes, versions, func(t *testing.T, s side) {
		addr, relay := moqRelay(t, "--drain-timeout", "3s")
		session, passed := through(t, s, addr, addr, "there", true)
		checkGoAway(t, s, relay, session)
		tried.add(t, ourClient, "moq-relay", s, append(passed, "goaway")...)
	})
}

// TestFeaturesThroughOurRelay tests the same features through ours.
func TestFeaturesThroughOurRelay(t *testing.T) {
	eachSide(t, allSchemes, versions, func(t *testing.T, s side) {
		addr, relay := ourRelay(t, s.version, "--drain-timeout", "3s")
		session, passed := through(t, s, addr, addr, "there", true)
		checkGoAway(t, s, relay, session)
		tried.add(t, ourClient, "ourselves", s, append(passed, "goaway")...)
		tried.add(t, ourNode, "ourselves", s, append(passed, "goaway")...)
	})
}

// TestFeaturesThroughCluster tests the same features from a moq-relay that is a
// client of our relay to our relay, and back.
func TestFeaturesThroughCluster(t *testing.T) {
	eachSide(t, allSchemes, versions, func(t *testing.T, s side) {
		ours, _ := ourRelay(t, s.version)
		url := "http://" + ours + "/"
		if s.scheme != "https" {
			url = s.scheme + "://" + ours + "/"
		}
		node, _ := moqRelay(t, "--cluster-connect", url, "--connect-tls-fingerprint", fingerprintAt(t, ours))
		_, passed := through(t, s, node, ours, "there", true)
		if t.Failed() {
			return
		}
		_, back := through(t, s, ours, node, "back", s.scheme != "ws")
		tried.add(t, ourNode, "moq-relay", s, both(passed, back)...)
	})
}

func both(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
}

// TestFeaturesOfServers tests the same features of the other servers, as far as
// their wrappers have them.
func TestFeaturesOfServers(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			eachSide(t, schemes, srv.versions, func(t *testing.T, s side) {
				addr, p := srv.start(t, "pub", "--groups", "1000", "--eager", "--interval-ms", "50")
				session, _ := s.dial(t, addr, api.NewTrackMux())
				r := subscribeTo(t, session, broadcast, nil)
				g := accept(t, r)
				if err := r.Update(&api.SubscribeConfig{Priority: 5}); err != nil {
					t.Error(err)
				}
				accept(t, r)
				checkFetch(t, s, session, broadcast, g.Sequence())
				passed := []string{"announce", "subscribe", "update", "fetch"}
				if checkProbe(t, s, session) {
					passed = append(passed, "probe")
				}
				p.signal(syscall.SIGKILL)
				checkVanished(t, r)
				if s.has05() {
					addr, _ := srv.start(t, "datagram-pub")
					session, _ := s.dial(t, addr, api.NewTrackMux())
					checkDatagram(t, s, subscribeTo(t, session, broadcast, nil))
				}
				tried.add(t, ourClient, srv.name, s, append(passed, "datagram", "vanish")...)
			})
		})
	}
}

// TestFeaturesOfClients tests the features of other clients, with our relay,
// that TestClientsOfOurRelay does not test.
func TestFeaturesOfClients(t *testing.T) {
	for _, c := range clients {
		for _, scheme := range c.schemes {
			for _, version := range c.versions {
				s := side{scheme, version}
				t.Run(c.name+" "+s.String(), func(t *testing.T) {
					t.Parallel()
					featuresOfClient(t, c, s)
				})
			}
		}
	}
}

func featuresOfClient(t *testing.T, c client, s side) {
	addr, relay := ourRelay(t, s.version, "--drain-timeout", "3s")
	p := s.publishLive(t, addr, broadcast)
	session, _ := s.dial(t, addr, api.NewTrackMux())
	r := subscribeTo(t, session, broadcast, nil) // so that the relay holds groups
	g := accept(t, r)
	c.start(t, s, addr, "announce", "--events", "1").expect("announce")
	widened := c.start(t, s, addr, "sub", "--start-group", fmt.Sprint(g.Sequence()), "--end-group", fmt.Sprint(g.Sequence()+2), "--groups", "20", "--widen")
	widened.expect("widened")
	widened.succeed()
	passed := []string{"announce", "update"}
	if s.scheme != "ws" && (!c.restrict || asksForProbes(s.version)) {
		c.start(t, s, addr, "probe").expect("probe")
		passed = append(passed, "probe")
	}
	if s.has05() {
		c.start(t, s, addr, "fetch", "--group", fmt.Sprint(g.Sequence())).expect("fetched")
		passed = append(passed, "fetch")
	}
	if s.has05() && s.scheme != "ws" {
		c.start(t, s, addr, "datagram").expect("datagram")
		passed = append(passed, "datagram")
	}

	pub := c.start(t, s, addr, "pub", "--broadcast", "theirs", "--groups", "1000", "--interval-ms", "50", "--eager")
	r = subscribeTo(t, session, "theirs", nil)
	if _, err := r.AcceptGroup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Update(&api.SubscribeConfig{Priority: 5}); err != nil {
		t.Error(err)
	}
	if _, err := r.AcceptGroup(t.Context()); err != nil {
		t.Fatal(err)
	}
	pub.signal(syscall.SIGKILL)
	checkVanished(t, r)
	passed = append(passed, "publish", "vanish")
	if s.version != "moq-lite-03" {
		waiting := c.start(t, s, addr, "goaway")
		waiting.expect("announced")
		relay.signal(syscall.SIGTERM)
		waiting.expect("goaway")
		passed = append(passed, "goaway")
	}
	p.end()
	tried.add(t, ourNode, c.name, s, passed...)
}
