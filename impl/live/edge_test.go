package live_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// TestLatestOfAnEmptyTrack: a subscriber that wants the newest group of a track
// without any begins with the first that comes, and not with older ones that
// come after it. If it then asks for those, it gets them.
func TestLatestOfAnEmptyTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		s := serve(t, b, api.SubscribeConfig{StartGroup: api.GroupLatest})
		for _, seq := range []api.GroupSequence{3, 0, 2, 4} {
			_ = openAt(t, track, seq, 1+100*uint64(seq), "x").Close()
			synctest.Wait()
		}
		s.expect(t, "from the first that came", "3:x 4:x")
		s.Update(api.SubscribeConfig{StartGroup: api.GroupLatest, Priority: 1})
		s.expect(t, "as before", "3:x 4:x")
		s.Update(api.SubscribeConfig{StartGroup: 2})
		s.expect(t, "from 2", "2:x 3:x 4:x")
		s.Update(api.SubscribeConfig{})
		s.expect(t, "all", "0:x 2:x 3:x 4:x")
		writeGap(t, track, 1, 2, api.StreamInternal)
		s.expectGaps(t, "of all", "1-2:0")
	})
}

// TestOlderThanTheLatest: the same over a session, which begins with the first
// group too.
func TestOlderThanTheLatest(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, &api.SubscribeConfig{StartGroup: api.GroupLatest})
		synctest.Wait()
		_ = openAt(t, track, 3, 300, "x").Close()
		if g := accept(t, r); g.Sequence() != 3 || readGroup(g) != "x" {
			t.Fatalf("group %d comes first, want 3", g.Sequence())
		}
		synctest.Wait()
		for _, seq := range []api.GroupSequence{1, 2} {
			_ = openAt(t, track, seq, 100*uint64(seq), "x").Close()
		}
		synctest.Wait()
		if err := r.Update(&api.SubscribeConfig{StartGroup: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = b.Close()
		if got, want := readAll(t, r), "1:x 2:x"; got != want {
			t.Errorf("after 3 came %q, want %q", got, want)
		}
		if got := spell(r.Gaps()); got != "" {
			t.Errorf("gaps %q", got)
		}
	})
}

// A distracted is a TrackRecorder that does something else when it is served.
type distracted struct {
	*apitest.TrackRecorder
	track *live.Track
	first sync.Once
	do    func()
}

func (d *distracted) Context() context.Context {
	if d.track.Subscribers() > 0 {
		d.first.Do(d.do)
	}
	return d.TrackRecorder.Context()
}

// TestLatestIsLost: the group with which a subscriber of the newest was to begin
// has become too old before it was passed on. It begins with the next one, and is
// told of the one before if it asks for that.
func TestLatestIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Second})
		_ = openAt(t, track, 3, 1, "x").Close()
		ctx, leave := context.WithCancel(t.Context())
		r := apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "video", Config: api.SubscribeConfig{StartGroup: api.GroupLatest}})
		s := &subscriber{TrackRecorder: r, leave: leave, done: make(chan struct{})}
		go b.ServeTrack(&distracted{TrackRecorder: r, track: track, do: func() {
			_ = openAt(t, track, 5, 5_000, "x").Close()
			_ = openAt(t, track, 6, 10_000, "x").Close()
		}})
		s.expect(t, "the newest", "5:x 6:x")
		s.expectGaps(t, "before the newest", "")
		s.Update(api.SubscribeConfig{StartGroup: 3})
		s.expectGaps(t, "from 3", "3-5:34")
		s.leave()
	})
}

// TestLatestIsADatagram: a datagram counts as the newest group.
func TestLatestIsADatagram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		s := serve(t, b, api.SubscribeConfig{StartGroup: api.GroupLatest})
		if err := track.SendDatagramAt(3, api.Datagram{Timestamp: 300}); err != nil {
			t.Fatal(err)
		}
		_ = openAt(t, track, 2, 200, "x").Close()
		_ = openAt(t, track, 4, 400, "x").Close()
		s.expect(t, "from the datagram", "4:x")
		s.Update(api.SubscribeConfig{})
		s.expect(t, "all", "2:x 4:x")
	})
}
