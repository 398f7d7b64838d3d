package redial_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// inBubble runs a test in a synctest bubble, in which time costs nothing, and
// fails it if a goroutine is left.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	transporttest.NoLeaks(t)
	synctest.Test(t, f)
}

// inEachVersion runs a test in a bubble for each of the given versions; without
// any, for all.
func inEachVersion(t *testing.T, f func(t *testing.T, v api.Version), versions ...api.Version) {
	if versions == nil {
		versions = api.Versions()
	}
	for _, v := range versions {
		t.Run(string(v), func(t *testing.T) {
			inBubble(t, func(t *testing.T) { f(t, v) })
		})
	}
}

// The identities in announcements.
const (
	cameraHop api.Hop = 4711
	readerHop api.Hop = 4712
)

// every is how often a camera opens a group.
const every = 100 * time.Millisecond

// A camera publishes the live track "video" of "room": a group at each
// interval, whose one frame is the group's number.
type camera struct {
	mux       *api.TrackMux
	broadcast *live.Broadcast
	track     *live.Track
	stop      context.CancelFunc
}

func newCamera(t *testing.T, info api.TrackInfo, limits live.Limits) *camera {
	t.Helper()
	return newSlowCamera(t, info, limits, 0)
}

// newSlowCamera returns a camera that ends each group a while after its frame.
func newSlowCamera(t *testing.T, info api.TrackInfo, limits live.Limits, open time.Duration) *camera {
	t.Helper()
	c := &camera{mux: api.NewTrackMux(), broadcast: &live.Broadcast{Limits: limits}}
	c.track = c.broadcast.Track("video", info)
	if err := c.mux.Publish(t.Context(), "room", c.broadcast); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go func() {
		defer c.track.Close()
		for {
			g, err := c.track.OpenGroup(ctx)
			if err != nil {
				return
			}
			stamp := uint64(g.Sequence()+1) * uint64(every.Milliseconds())
			_ = g.WriteFrame(api.Frame{Timestamp: stamp, Payload: fmt.Append(nil, g.Sequence())})
			if open > 0 {
				time.Sleep(open)
			}
			_ = g.Close()
			select {
			case <-time.After(every - open):
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// connect publishes the camera by one more session, always with the same hop.
func (c *camera) connect(t *testing.T, server *node, v api.Version) api.Session {
	t.Helper()
	return c.connectAs(t, server, v, cameraHop)
}

func (c *camera) connectAs(t *testing.T, server *node, v api.Version, hop api.Hop) api.Session {
	t.Helper()
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
	s, err := client.Dial(t.Context(), server.URL, c.mux)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A network is a dialer of servers in memory, each by a port of one host. It
// can be made to fail.
type network struct {
	hop api.Hop // of who dials

	mu       sync.Mutex
	clients  map[string]*impl.Client
	servers  map[string]*node
	err      error            // of dials, if set
	refused  map[string]error // of dials to a port
	dialled  []string
	sessions []api.Session
}

func newNetwork() *network {
	return &network{hop: readerHop, clients: make(map[string]*impl.Client), servers: make(map[string]*node), refused: make(map[string]error)}
}

// address returns the URL of a server by its port.
func address(port string) string { return "moqt://relays.example:" + port }

// add gives a server a port.
func (n *network) add(port string, server *node, v api.Version) {
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}, Hop: n.hop}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients[port], n.servers[port] = c, server
}

// Dial implements [api.Dialer].
func (n *network) Dial(ctx context.Context, rawURL string, mux *api.TrackMux) (api.Session, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.dialled = append(n.dialled, u.Port())
	c, server, err, refused := n.clients[u.Port()], n.servers[u.Port()], n.err, n.refused[u.Port()]
	n.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		return nil, refused
	case c == nil:
		return nil, errors.New("nobody listens")
	}
	s, err := c.Dial(ctx, server.URL, mux)
	if err == nil {
		n.mu.Lock()
		n.sessions = append(n.sessions, s)
		n.mu.Unlock()
	}
	return s, err
}

// fail makes dials fail from now on; nil makes them succeed.
func (n *network) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

// refuse makes dials to a port fail from now on.
func (n *network) refuse(port string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused[port] = err
}

// await waits until a number of sessions were dialled, and their servers know
// them.
func (n *network) await(sessions int) {
	for {
		synctest.Wait()
		n.mu.Lock()
		now := len(n.sessions)
		n.mu.Unlock()
		if now >= sessions {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// ports returns the ports that were dialled.
func (n *network) ports() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialled)
}

// session returns the i-th session that was dialled.
func (n *network) session(i int) api.Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions[i]
}

// quick returns a policy with short waits and almost no jitter.
func quick() redial.Policy {
	return redial.Policy{InitialInterval: 100 * time.Millisecond, MaxInterval: time.Second}
}

// dial dials a Session of redial, which ends with the test.
func dial(t *testing.T, d api.Dialer, target string, policy redial.Policy, mux *api.TrackMux) *redial.Session {
	t.Helper()
	if mux == nil {
		mux = api.NewTrackMux()
	}
	s, err := impl.NewRedialer(d, policy).Dial(t.Context(), target, mux)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*redial.Session)
}

// single starts a server of a mux, and dials a Session of redial to it.
func single(t *testing.T, mux *api.TrackMux, v api.Version, policy redial.Policy) (*node, *network, *redial.Session) {
	t.Helper()
	server := newNode(mux, nil, 0)
	n, s := viewer(t, server, v, policy)
	return server, n, s
}

// viewer dials a Session of redial to a server.
func viewer(t *testing.T, server *node, v api.Version, policy redial.Policy) (*network, *redial.Session) {
	t.Helper()
	n := newNetwork()
	n.add("1", server, v)
	return n, dial(t, n, address("1"), policy, nil)
}

func subscribe(t *testing.T, s api.Session, c *api.SubscribeConfig) api.TrackReader {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "room", "video", c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A reading is what was read of a track.
type reading struct {
	reader api.TrackReader

	mu       sync.Mutex
	groups   []api.GroupSequence          // in order of arrival, of the newest numbering
	torn     []api.GroupSequence          // those of them that were not complete in the end
	twice    []api.GroupSequence          // those that came again, and did not continue where they broke off
	had      map[api.GroupSequence]uint64 // number of frames of each, so far
	restarts []*redial.RestartError
	gaps     []api.Gap
	done     chan struct{} // closed at the track's end
	err      error         // after done
}

// read reads a track in the background, to its end.
func read(t *testing.T, r api.TrackReader) *reading { return readSlowly(t, r, 0) }

// readSlowly is read with a rest after each group.
func readSlowly(t *testing.T, r api.TrackReader, rest time.Duration) *reading {
	in := &reading{reader: r, had: make(map[api.GroupSequence]uint64), done: make(chan struct{})}
	go func() {
		defer close(in.done)
		for {
			g, err := r.AcceptGroup(t.Context())
			if restart, ok := errors.AsType[*redial.RestartError](err); ok {
				in.restarted(restart)
				continue
			}
			if err != nil {
				in.err = err
				return
			}
			in.take(t, g)
			time.Sleep(rest)
		}
	}()
	return in
}

func (in *reading) restarted(err *redial.RestartError) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.restarts = append(in.restarts, err)
	in.groups, in.torn, in.twice = nil, nil, nil
	clear(in.had)
}

// take reads a group of one frame, which is its number. A group that was cut
// off comes again, without the frame if that was read.
func (in *reading) take(t *testing.T, g api.GroupReader) {
	seq, first := g.Sequence(), g.FirstFrame()
	frames := first
	var f api.Frame
	err := g.ReadFrame(&f)
	for ; err == nil; err = g.ReadFrame(&f) {
		if frames++; string(f.Payload) != fmt.Sprint(seq) {
			t.Errorf("group %d has %q", seq, f.Payload)
		}
	}
	if frames > 1 || err == io.EOF && frames == 0 {
		t.Errorf("group %d had %d frames, want 1", seq, frames)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	again, broken := slices.Contains(in.groups, seq), slices.Contains(in.torn, seq)
	if first != in.had[seq] || again && !broken {
		in.twice = append(in.twice, seq)
	}
	if !again {
		in.groups = append(in.groups, seq)
	}
	in.had[seq] = frames
	switch whole := err == io.EOF; {
	case broken && whole && len(in.torn) == 1:
		in.torn = nil
	case broken && whole:
		in.torn = slices.DeleteFunc(in.torn, func(other api.GroupSequence) bool { return other == seq })
	case !broken && !whole:
		in.torn = append(in.torn, seq)
	}
}

// missing returns the numbers between the lowest and the highest that were read
// which were not read.
func (in *reading) missing() (missing []api.GroupSequence) {
	in.mu.Lock()
	defer in.mu.Unlock()
	sorted := slices.Sorted(slices.Values(in.groups))
	for i, seq := range sorted[:max(len(sorted), 1)-1] {
		for n := seq + 1; n < sorted[i+1]; n++ {
			missing = append(missing, n)
		}
	}
	return missing
}

// highest returns the highest number read; false if there is none.
func (in *reading) highest() (api.GroupSequence, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.groups) == 0 {
		return 0, false
	}
	return slices.Max(in.groups), true
}

// lowest returns the lowest number read; false if there is none.
func (in *reading) lowest() (api.GroupSequence, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.groups) == 0 {
		return 0, false
	}
	return slices.Min(in.groups), true
}

// lost returns the numbers that were reported as gaps so far.
func (in *reading) lost() (numbers []api.GroupSequence) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gaps = append(in.gaps, in.reader.Gaps()...)
	for _, g := range in.gaps {
		for n := g.Start; n < g.End; n++ {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, cmp.Compare[api.GroupSequence])
	return numbers
}

// check fails the test unless each number from the first one read came once, or
// was reported as lost once. Groups that are reported as lost before that are a
// missing head.
func (in *reading) check(t *testing.T) {
	t.Helper()
	missing, lost := in.missing(), in.lost()
	in.mu.Lock()
	twice := in.twice
	in.mu.Unlock()
	if len(twice) > 0 {
		t.Errorf("groups %v came twice", twice)
	}
	if first, ok := in.lowest(); ok {
		i, _ := slices.BinarySearch(lost, first)
		lost = lost[i:]
	}
	if !slices.Equal(missing, lost) {
		t.Errorf("groups %v are missing, and %v are told as lost", missing, lost)
	}
}

// awaitEnd waits for the track's regular end.
func (in *reading) awaitEnd(t *testing.T) {
	t.Helper()
	began := time.Now()
	select {
	case <-in.done:
	case <-time.After(time.Minute):
		t.Fatal("the track does not end")
	}
	if in.err != io.EOF {
		t.Errorf("after %v, the track ended with %v", time.Since(began), in.err)
	}
}

// A node is a server in memory that knows its sessions.
type node struct {
	*moqtest.Server

	mu       sync.Mutex
	sessions []api.Session
}

// newNode starts a server of mux over paths with a delay. If also is not nil,
// it is called with every session.
func newNode(mux *api.TrackMux, also func(api.Session), delay time.Duration) *node {
	n := newUnstartedNode(mux, also, delay)
	n.Start()
	return n
}

func newUnstartedNode(mux *api.TrackMux, also func(api.Session), delay time.Duration) *node {
	n := &node{Server: moqtest.NewUnstartedServer(mux)}
	n.Delay = delay
	n.Config.Handler = func(s api.Session) {
		n.mu.Lock()
		n.sessions = append(n.sessions, s)
		n.mu.Unlock()
		if also != nil {
			also(s)
		}
	}
	return n
}

// startRelay starts a relay in memory, over paths with a delay.
func startRelay(delay time.Duration) *node {
	r := relay.New()
	n := newUnstartedNode(r.Mux(), r.Handler, delay)
	n.Relay = r
	n.Start()
	return n
}

// all returns the sessions that the server knows.
func (n *node) all() []api.Session {
	synctest.Wait() // until it knows of them
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sessions)
}

// goAway sends all clients a GOAWAY.
func (n *node) goAway(t *testing.T, uri string) {
	t.Helper()
	for _, s := range n.all() {
		if err := s.GoAway(uri); err != nil && s.Context().Err() == nil {
			t.Errorf("goaway: %v", err)
		}
	}
}

// A recorder records the calls of hooks, as texts.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) record(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, a...))
}

// all returns the events so far.
func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// count returns how many events begin with a word.
func (r *recorder) count(word string) (n int) {
	for _, e := range r.all() {
		if strings.HasPrefix(e, word) {
			n++
		}
	}
	return n
}

// trace records every hook.
func (r *recorder) trace() *redial.SessionTrace {
	return &redial.SessionTrace{
		Dialing:         func(url string, attempt int) { r.record("dialing %s %d", url, attempt) },
		DialFailed:      func(err error) { r.record("dial failed: %v", err) },
		Connected:       func(s api.SessionState) { r.record("connected %s", s.Version) },
		Lost:            func(err error) { r.record("lost: %v", err) },
		GoingAway:       func(url string) { r.record("going away %s", url) },
		RedirectRefused: func(url string, err error) { r.record("refused %s: %v", url, err) },
		Drained:         func(api.SessionState) { r.record("drained") },
		Restarted:       func(path api.BroadcastPath, name api.TrackName) { r.record("restarted %s %s", path, name) },
		Ended:           func(err error) { r.record("ended: %v", err) },
	}
}

// goAwayLast sends a GOAWAY to the client that came last.
func (n *node) goAwayLast(t *testing.T, uri string) {
	t.Helper()
	all := n.all()
	last := all[len(all)-1]
	if err := last.GoAway(uri); err != nil {
		t.Errorf("goaway: %v", err)
	}
}

// A dialerFunc is a dialer.
type dialerFunc func(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error)

// Dial implements [api.Dialer].
func (f dialerFunc) Dial(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
	return f(ctx, url, mux)
}
