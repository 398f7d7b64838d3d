package live_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// pacedTrack writes groups of 100 kB to a track that holds a megabyte, and
// counts those that are complete.
func pacedTrack(t *testing.T, b *live.Broadcast, groups int) (written *atomic.Int64) {
	t.Helper()
	b.Limits = live.Limits{Bytes: 1 << 20}
	track := b.Track("video", api.TrackInfo{MaxLatency: time.Hour})
	written = new(atomic.Int64)
	start := make(chan struct{})
	go func() {
		<-start
		for range groups {
			g, err := track.Paced().OpenGroup(t.Context())
			if err != nil {
				return
			}
			for range 10 {
				_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: make([]byte, 10_000)})
			}
			_ = g.Close()
			written.Add(1)
		}
		_ = track.Close()
	}()
	time.AfterFunc(time.Second, func() { close(start) })
	return written
}

func TestPacedByItsSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		written := pacedTrack(t, b, 40)
		s, w := serveStuck(t, b, api.SubscribeConfig{})
		time.Sleep(2 * time.Second)
		if written.Load() < 4 || written.Load() > 10 {
			t.Errorf("%d groups were written ahead of a subscriber that takes none", written.Load())
		}
		for seq := range api.GroupSequence(40) {
			w.let(seq)
			synctest.Wait()
		}
		<-s.done
		whole := 0
		for _, g := range s.Groups() {
			if closed, code := g.Closed(); closed && code == nil && len(g.Frames()) == 10 {
				whole++
			}
		}
		if whole != 40 {
			t.Errorf("%d groups came whole of 40", whole)
		}
	})
}

// TestPacedByAPause: a subscriber at the end of its range holds up the writer
// until it does not want the groups any more that wait for it.
func TestPacedByAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		written := pacedTrack(t, b, 40)
		s := serve(t, b, api.SubscribeConfig{EndGroup: 1})
		time.Sleep(2 * time.Second)
		if n := written.Load(); n < 4 || n > 10 {
			t.Errorf("%d groups were written ahead of a pause", n)
		}
		s.Update(api.SubscribeConfig{StartGroup: 100})
		synctest.Wait()
		if n := written.Load(); n != 40 {
			t.Errorf("%d groups were written of 40 that nobody wants", n)
		}
		s.leave()
	})
}

// TestPacedByTheFastest: a subscriber that takes nothing holds up nobody.
func TestPacedByTheFastest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		written := pacedTrack(t, b, 40)
		stuck, _ := serveStuck(t, b, api.SubscribeConfig{})
		fast := serve(t, b, api.SubscribeConfig{})
		time.Sleep(2 * time.Second)
		<-fast.done
		if written.Load() != 40 || len(fast.Groups()) != 40 {
			t.Errorf("%d groups were written and %d taken, of 40", written.Load(), len(fast.Groups()))
		}
		stuck.leave()
		<-stuck.done
	})
}

// A slowOpener is slow to open groups.
type slowOpener struct{ *apitest.TrackRecorder }

func (w slowOpener) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	time.Sleep(time.Millisecond)
	return w.TrackRecorder.OpenGroupAt(ctx, seq)
}

// TestPacedByAGroupThatIsOpened: a subscriber loses no group that is about to
// be opened for it.
func TestPacedByAGroupThatIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		pacedTrack(t, b, 40)
		r := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{Path: "room", Name: "video"})
		b.ServeTrack(slowOpener{r})
		whole := 0
		for _, g := range r.Groups() {
			if closed, code := g.Closed(); closed && code == nil && len(g.Frames()) == 10 {
				whole++
			}
		}
		if whole != 40 {
			t.Errorf("%d groups came whole of 40", whole)
		}
	})
}

// TestPacedByNobody: the writer goes on when the last subscriber has left.
func TestPacedByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		written := pacedTrack(t, b, 40)
		s, _ := serveStuck(t, b, api.SubscribeConfig{})
		time.Sleep(2 * time.Second)
		s.leave()
		<-s.done
		synctest.Wait()
		if written.Load() != 40 {
			t.Errorf("%d groups were written of 40", written.Load())
		}
	})
}
