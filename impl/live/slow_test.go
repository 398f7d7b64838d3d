package live_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// A stuckWriter is a subscriber whose groups block in their first frame until
// let is called for them, or they are cancelled.
type stuckWriter struct {
	*apitest.TrackRecorder

	mu    sync.Mutex
	gates map[api.GroupSequence]chan struct{}
}

// serveStuck makes b serve a subscriber that takes nothing.
func serveStuck(t *testing.T, b *live.Broadcast, c api.SubscribeConfig) (*subscriber, *stuckWriter) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r := apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "video", Config: c})
	w := &stuckWriter{TrackRecorder: r, gates: make(map[api.GroupSequence]chan struct{})}
	s := &subscriber{TrackRecorder: r, leave: leave, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		b.ServeTrack(w)
	}()
	synctest.Wait()
	return s, w
}

func (w *stuckWriter) gate(seq api.GroupSequence) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates[seq] == nil {
		w.gates[seq] = make(chan struct{})
	}
	return w.gates[seq]
}

// let lets a group go on.
func (w *stuckWriter) let(seq api.GroupSequence) { close(w.gate(seq)) }

func (w *stuckWriter) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	g, err := w.TrackRecorder.OpenGroupAt(ctx, seq)
	return &stuckGroup{g, w.gate(seq)}, err
}

type stuckGroup struct {
	api.GroupWriter
	gate chan struct{}
}

func (g *stuckGroup) wait() error {
	select {
	case <-g.gate:
		return nil
	case <-g.Context().Done():
		return context.Cause(g.Context())
	}
}

func (g *stuckGroup) WriteFrame(f api.Frame) error {
	if err := g.wait(); err != nil {
		return err
	}
	return g.GroupWriter.WriteFrame(f)
}

func (g *stuckGroup) StartFrame(h api.FrameHeader) (io.Writer, error) {
	if err := g.wait(); err != nil {
		return nil, err
	}
	return g.GroupWriter.StartFrame(h)
}

// TestSlowSubscribersSkip: groups that are too old by the lesser max latency,
// in the track's timescale, are skipped when they have a successor.
func TestSlowSubscribersSkip(t *testing.T) {
	const old = api.StreamOld
	tests := []struct {
		name       string
		info       api.TrackInfo
		subscriber time.Duration
		stamps     []uint64
		want       string
	}{
		{"within the default", api.TrackInfo{}, 0, []uint64{1000, 2000, 3000, 6999}, "… … … …"},
		{"beyond the default", api.TrackInfo{}, 0, []uint64{1000, 2000, 3000, 8000}, "!old !old … …"},
		{"beyond the subscriber's", api.TrackInfo{}, time.Second, []uint64{1000, 1500, 2000, 2600}, "!old … … …"},
		{"beyond the track's", api.TrackInfo{MaxLatency: time.Second}, time.Minute, []uint64{1000, 1500, 2000, 2600}, "!old … … …"},
		{"the newest only", api.TrackInfo{}, -1, []uint64{1000, 1001, 1002, 1002}, "!old !old !old …"},
		{"in another timescale", api.TrackInfo{Timescale: 90_000}, time.Second, []uint64{1, 2000, 90_000, 92_000}, "!old … … …"},
		{"time runs back", api.TrackInfo{}, time.Second, []uint64{9000, 8000, 7000, 6000}, "… … … …"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				track := b.Track("video", test.info)
				s, _ := serveStuck(t, b, api.SubscribeConfig{MaxLatency: test.subscriber})
				for _, stamp := range test.stamps {
					_ = open(t, track, stamp, "x").Close()
					synctest.Wait()
				}
				var got []string
				for _, g := range s.Groups() {
					got = append(got, strings.ReplaceAll(recorded(g), fmt.Sprint(int(old)), "old"))
				}
				if got := strings.Join(got, " "); got != test.want {
					t.Errorf("groups are %q, want %q", got, test.want)
				}
				s.leave()
				s.expectEnd(t, "left", nil)
			})
		})
	}
}

// TestTooOldFromTheStart: groups that were asked for by number are left out if
// they are too old already.
func TestTooOldFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{MaxLatency: 10 * time.Second})
		for i := range uint64(20) {
			_ = open(t, track, 1000+i*1000, fmt.Sprint(i)).Close()
		}
		s := serve(t, b, api.SubscribeConfig{StartGroup: 1})
		s.expect(t, "within the track's latency", "9:9 10:10 11:11 12:12 13:13 14:14 15:15 16:16 17:17 18:18 19:19")
		s.leave()
		s = serve(t, b, api.SubscribeConfig{StartGroup: 1, MaxLatency: 2 * time.Second})
		s.expect(t, "within the subscriber's", "17:17 18:18 19:19")
		s.leave()
	})
}

func TestUnstampedGroupsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		s, _ := serveStuck(t, b, api.SubscribeConfig{MaxLatency: time.Second})
		for range 4 {
			_ = open(t, track, 0, "x").Close()
			time.Sleep(600 * time.Millisecond)
		}
		s.expect(t, "after 2.4 s", fmt.Sprintf("0:!%d 1:… 2:… 3:…", api.StreamOld))
		s.leave()
		s.expectEnd(t, "left", nil)
	})
}

// TestBlockedGroupHoldsUpNothing: not the writer, not other subscribers, and
// not newer groups of the same subscriber, however many there are.
func TestBlockedGroupHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		stuck, w := serveStuck(t, b, api.SubscribeConfig{})
		fast := serve(t, b, api.SubscribeConfig{})
		for i := range n {
			_ = open(t, track, 1, "x").Close()
			synctest.Wait()
			if i%10 == 9 {
				w.let(api.GroupSequence(i))
				synctest.Wait()
				groups := stuck.Groups()
				if last := groups[len(groups)-1]; last.Sequence() != api.GroupSequence(i) || recorded(last) != "x" {
					t.Fatalf("group %d is held up: the last is %d, %q", i, last.Sequence(), recorded(last))
				}
			}
		}
		if got := len(fast.Groups()); got != n {
			t.Errorf("another subscriber got %d groups, want %d", got, n)
		}
		blocked, given := 0, 0
		for _, g := range stuck.Groups() {
			switch got := recorded(g); got {
			case "…":
				blocked++
			case fmt.Sprintf("!%d", api.StreamTooFarBehind):
				given++
			}
		}
		if blocked == 0 || blocked > 64 || blocked+given != n-n/10 {
			t.Errorf("%d groups are blocked and %d given up, of %d", blocked, given, n-n/10)
		}
		_ = b.Close()
		fast.expectEnd(t, "another subscriber", nil)
		stuck.leave()
		stuck.expectEnd(t, "left", nil)
	})
}

// TestManyBegunAtOnce: a subscriber that keeps up loses none of more groups than
// are served at a time, if they end soon. Groups that stay open make room for
// newer ones.
func TestManyBegunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		s := serve(t, b, api.SubscribeConfig{})
		var groups []api.GroupWriter
		for range n {
			groups = append(groups, open(t, track, 1, "x"))
			synctest.Wait()
		}
		time.Sleep(10 * time.Millisecond)
		for _, g := range groups {
			_ = g.Close()
			synctest.Wait()
		}
		for _, g := range s.Groups() {
			if recorded(g) != "x" {
				t.Errorf("group %d is %q", g.Sequence(), recorded(g))
			}
		}
		if got := len(s.Groups()); got != n {
			t.Errorf("%d groups came, want %d", got, n)
		}
		for range n {
			open(t, track, 1, "y")
			synctest.Wait()
		}
		time.Sleep(time.Second)
		all := s.Groups()
		if last := all[len(all)-1]; last.Sequence() != 2*n-1 || recorded(last) != "y,…" {
			t.Errorf("the last of many that stay open is %d, %q", last.Sequence(), recorded(last))
		}
		s.leave()
		s.expectEnd(t, "left", nil)
	})
}

// TestCatchingUp serves many old groups in order, some at a time, and loses
// none of them.
func TestCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		for range n {
			_ = open(t, track, 1, "x").Close()
		}
		s, w := serveStuck(t, b, api.SubscribeConfig{StartGroup: 1})
		if got := len(s.Groups()); got == 0 || got > 64 {
			t.Errorf("%d groups are served at a time", got)
		}
		for i := range api.GroupSequence(n) {
			w.let(i)
			synctest.Wait()
		}
		for i, g := range s.Groups() {
			if got := recorded(g); g.Sequence() != api.GroupSequence(i+1) || got != "x" {
				t.Fatalf("the %dth group is %d, %q", i, g.Sequence(), got)
			}
		}
		if got := len(s.Groups()); got != n-1 {
			t.Errorf("%d groups came, want %d", got, n-1)
		}
		s.leave()
		s.expectEnd(t, "left", nil)
	})
}

// TestManyOpenGroups makes a subscriber join while many groups are written at
// once: those that wait for their writer do not block the others.
func TestManyOpenGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		var groups []api.GroupWriter
		for range 60 {
			groups = append(groups, open(t, track, 1, "x"))
		}
		s := serve(t, b, api.SubscribeConfig{StartGroup: 1})
		if got := len(s.Groups()); got != 59 {
			t.Errorf("%d groups are served, want 59", got)
		}
		for _, g := range groups {
			fill(t, g, 1, "y")
			_ = g.Close()
		}
		_ = b.Close()
		s.expectEnd(t, "closed", nil)
		for _, g := range s.Groups() {
			if got := recorded(g); got != "x,y" {
				t.Errorf("group %d: %q", g.Sequence(), got)
			}
		}
	})
}

// TestBlockedSubscriberIsEvicted: a group that a subscriber takes too long for
// is evicted, so that it keeps no more in memory than what it is writing.
func TestBlockedSubscriberIsEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{Limits: live.Limits{Bytes: 100_000}}
		track := b.Track("video", api.TrackInfo{})
		s, _ := serveStuck(t, b, api.SubscribeConfig{})
		for range 10 {
			g := open(t, track, 1)
			for range 10 {
				if err := g.WriteFrame(api.Frame{Timestamp: 1, Payload: bytes.Repeat([]byte("x"), 5000)}); err != nil {
					t.Fatal(err)
				}
			}
			_ = g.Close()
			synctest.Wait()
		}
		groups := s.Groups()
		if len(groups) != 10 {
			t.Fatalf("%d groups were served, want 10", len(groups))
		}
		for _, g := range groups[:len(groups)-2] {
			if got, want := recorded(g), fmt.Sprintf("!%d", api.StreamEvicted); got != want {
				t.Errorf("group %d: %q, want %q", g.Sequence(), got, want)
			}
		}
		if got := recorded(groups[len(groups)-1]); got != "…" {
			t.Errorf("the newest group: %q", got)
		}
		s.leave()
		s.expectEnd(t, "left", nil)
	})
}

// TestSlowReaderEndToEnd: a subscriber that reads nothing for a while skips
// groups, and is told which it has lost.
func TestSlowReaderEndToEnd(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		const n = 100
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, &api.SubscribeConfig{MaxLatency: 2 * time.Second})
		synctest.Wait()
		for i := range uint64(n) {
			g := open(t, track, 1+i*1000)
			if err := g.WriteFrame(api.Frame{Timestamp: 1 + i*1000, Payload: make([]byte, 512<<10)}); err != nil {
				t.Fatal(err)
			}
			_ = g.Close()
			time.Sleep(10 * time.Millisecond)
		}
		_ = b.Close()
		whole, cut, last := 0, 0, api.GroupSequence(0)
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(readGroup(g), "!") {
				cut++
				continue
			}
			whole++
			last = max(last, g.Sequence())
		}
		gaps := 0
		for _, gap := range r.Gaps() {
			gaps += int(gap.End - gap.Start)
		}
		if whole == 0 || whole == n || last != n-1 || whole+cut+gaps < n {
			t.Errorf("%d groups came, the last %d, %d were cut and %d are gaps, of %d", whole, last, cut, gaps, n)
		}
	})
}
