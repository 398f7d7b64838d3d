//go:build unix

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

// A twin is a process that publishes the same path with the same numbers as
// another one: group n at n times twinPace after an epoch. Its frames contain
// its name.
const (
	twinOf   = "MOQ_INTEROP_TWIN" // its name, the URL and the epoch, in such a process
	twinPath = "standby"
	twinPace = 100 * time.Millisecond
)

// startTwin starts a twin: this test in a process of its own.
func startTwin(t *testing.T, name, url string, epoch time.Time) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHotStandbyKilled$")
	cmd.Env = append(os.Environ(), namespaced+"="+binary, fmt.Sprintf("%s=%s %s %d", twinOf, name, url, epoch.UnixMilli()))
	p := run(t, cmd)
	p.expect("publishing")
	return p
}

// beTwin publishes until it is killed, or the test ends.
func beTwin(t *testing.T, name, url, epoch string) {
	millis, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	scheme, addr, _ := strings.Cut(url, "://")
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	data := b.Track(track, api.TrackInfo{MaxLatency: 30 * time.Second})
	if err := mux.Publish(t.Context(), twinPath, b); err != nil {
		t.Fatal(err)
	}
	session, _ := side{scheme, "moq-lite-06"}.dial(t, addr, mux)
	fmt.Println(`{"publishing":true}`)
	began := time.UnixMilli(millis)
	for seq := time.Since(began)/twinPace + 1; session.Context().Err() == nil; seq++ {
		time.Sleep(time.Until(began.Add(seq * twinPace)))
		g, err := data.OpenGroupAt(t.Context(), api.GroupSequence(seq))
		if err != nil {
			t.Fatal(err)
		}
		_ = g.WriteFrame(api.Frame{Timestamp: uint64((seq * twinPace).Milliseconds()), Payload: []byte(name)})
		_ = g.Close()
	}
}

// A twinView is what a reader gets of twins.
type twinView struct {
	name string

	mu       sync.Mutex
	all      map[api.GroupSequence]bool
	since    map[api.GroupSequence]bool // those of the newest numbering
	twice    int                        // of one numbering
	restarts int
	told     int // groups that were told to be lost
	silence  time.Duration
	last     time.Time
	newest   string // whose the latest group was
	after    int    // groups since awaitTwin was called
	notes    []string
}

// read reads until ctx ends. If the track ends, it subscribes again.
func (v *twinView) read(ctx context.Context, s api.Session) {
	for ctx.Err() == nil {
		r, err := api.SubscribeWhenAnnounced(ctx, s, twinPath, track, &api.SubscribeConfig{MaxLatency: 30 * time.Second, StartGroup: api.GroupLatest})
		if err != nil {
			v.note(ctx, "subscribe: %v", err)
			return
		}
		v.begin()
		v.follow(ctx, r)
		_ = r.Close()
	}
}

func (v *twinView) follow(ctx context.Context, r api.TrackReader) {
	for {
		g, err := r.AcceptGroup(ctx)
		v.mu.Lock()
		for _, gap := range r.Gaps() {
			v.told += int(gap.End - gap.Start)
		}
		v.mu.Unlock()
		switch {
		case errors.Is(err, api.ErrRestarted):
			v.begin()
			v.restarts++
			continue
		case err != nil:
			v.note(ctx, "the track ended: %v", err)
			return
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil {
			v.note(ctx, "group %d broke off", g.Sequence())
			continue
		}
		v.take(g.Sequence(), string(f.Payload))
	}
}

// begin begins another numbering.
func (v *twinView) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.since = make(map[api.GroupSequence]bool)
}

func (v *twinView) note(ctx context.Context, format string, args ...any) {
	if ctx.Err() == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.notes = append(v.notes, fmt.Sprintf(format, args...))
	}
}

func (v *twinView) take(seq api.GroupSequence, from string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.since[seq] {
		v.twice++
	}
	if !v.last.IsZero() {
		v.silence = max(v.silence, time.Since(v.last))
	}
	v.all[seq], v.since[seq] = true, true
	v.last, v.newest = time.Now(), from
	v.after++
}

// end ends the time in which the reader waits for groups.
func (v *twinView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.last.IsZero() {
		v.silence = max(v.silence, time.Since(v.last))
	}
}

// outcome returns what came; lost are the numbers that did not come, reported
// or not.
func (v *twinView) outcome() (lost []api.GroupSequence, text string) {
	all := slices.Sorted(maps.Keys(v.all))
	for i := 1; i < len(all); i++ {
		for seq := all[i-1] + 1; seq < all[i]; seq++ {
			lost = append(lost, seq)
		}
	}
	return lost, fmt.Sprintf("%s reader: %d groups, %d lost (%d told), %d twice, %d restarts, longest silence %v; %s",
		v.name, len(all), len(lost), v.told, v.twice, v.restarts, v.silence.Round(time.Millisecond), strings.Join(v.notes, "; "))
}

// TestHotStandbyKilled kills, of two publishers of one path with the same
// numbers, the one that is read: behind our relay its readers go on with the
// other's groups, and miss none. What readers behind moq-relay get is logged.
func TestHotStandbyKilled(t *testing.T) {
	if args := strings.Fields(os.Getenv(twinOf)); len(args) == 3 {
		beTwin(t, args[0], args[1], args[2])
		return
	}
	for scheme, silence := range map[string]time.Duration{
		"ws":   2 * time.Second, // the system ends its connection
		"moqt": 7 * time.Second, // nobody ends its connection
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
			defer cancel()
			var playing sync.WaitGroup
			var stages []*twinStage
			for _, r := range relays {
				stages = append(stages, newTwinStage(t, r, side{scheme, "moq-lite-06"}))
			}
			time.Sleep(500 * time.Millisecond) // until the relays know both twins
			for _, s := range stages {
				playing.Go(func() { s.play(ctx) })
			}
			playing.Wait()
			for _, s := range stages {
				s.check(t, silence)
			}
		})
	}
}

// A twinStage is a relay with two publishers, a plain reader, and one whose
// session reconnects.
type twinStage struct {
	relay    string
	twins    map[string]*process
	sessions []api.Session
	views    []*twinView
	killed   string
}

func newTwinStage(t *testing.T, r relay, s side) *twinStage {
	t.Helper()
	addr, _ := r.start(t)
	epoch := time.Now().Truncate(time.Millisecond)
	st := &twinStage{relay: r.name, twins: make(map[string]*process), views: []*twinView{{name: "plain"}, {name: "lasting"}}}
	for _, name := range []string{"first", "second"} {
		st.twins[name] = startTwin(t, name, s.scheme+"://"+addr, epoch)
	}
	plain, client := s.dial(t, addr, api.NewTrackMux())
	lasting, err := impl.NewRedialer(client, redial.Policy{}).Dial(t.Context(), s.scheme+"://"+addr, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lasting.Terminate(api.SessionNoError, "") })
	st.sessions = []api.Session{plain, lasting}
	return st
}

// play makes the readers read while the twin that is read is killed.
func (s *twinStage) play(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reading sync.WaitGroup
	for i, v := range s.views {
		v.all = make(map[api.GroupSequence]bool)
		reading.Go(func() { v.read(ctx, s.sessions[i]) })
	}
	s.killed = awaitTwin(ctx, s.views, "", 10)
	if twin := s.twins[s.killed]; twin != nil {
		twin.signal(syscall.SIGKILL)
		if awaitTwin(ctx, s.views, s.killed, 20) != "" {
			sleep(ctx, time.Second) // for what came meanwhile, the newest first
		}
	}
	for _, v := range s.views {
		v.end()
	}
	cancel()
	reading.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// check logs what the readers got. Behind our relay, each must have got all
// groups, each once, without a long silence. The reader whose session
// reconnects (views[1]) goes on with the other twin without a restart, unless a
// busy machine hides that both write the same groups at the same time.
func (s *twinStage) check(t *testing.T, silence time.Duration) {
	for i, v := range s.views {
		lost, text := v.outcome()
		t.Logf("%s, %s was killed; %s", s.relay, s.killed, text)
		if s.relay != "ours" {
			continue
		}
		if s.killed == "" || v.newest == s.killed || len(lost) > 0 || v.twice > 0 || v.silence > silence || v.restarts > i || len(v.notes) > 0 {
			t.Errorf("%s; want all groups, each once, %d restarts at most, and no silence above %v", text, i, silence)
		}
	}
}

// awaitTwin waits until all readers have read some more groups and the latest
// came from another twin than but, and returns its name; "" at the end of ctx.
func awaitTwin(ctx context.Context, views []*twinView, but string, groups int) (name string) {
	for _, v := range views {
		v.mu.Lock()
		v.after = 0
		v.mu.Unlock()
	}
	for ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
		enough := true
		for _, v := range views {
			v.mu.Lock()
			if v.newest == but {
				v.after = 0
			}
			enough = enough && v.after >= groups
			name = v.newest
			v.mu.Unlock()
		}
		if enough {
			return name
		}
	}
	return ""
}
