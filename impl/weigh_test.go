package impl_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestManyTracksReadInTurns is a recorder of 40 cameras: groups of a second,
// and readers that pause for 400 ms after each. Less than 1 MB is unread at
// any time.
func TestManyTracksReadInTurns(t *testing.T) {
	const cameras, groups = 40, 8
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for range groups {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for range 25 {
					time.Sleep(40 * time.Millisecond)
					_ = g.WriteFrame(api.Frame{Payload: make([]byte, 1000)})
				}
				_ = g.Close()
			}
		})
		var whole atomic.Int64
		var reading sync.WaitGroup
		for i := range cameras {
			r, err := s.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint(i)), nil)
			if err != nil {
				t.Fatal(err)
			}
			reading.Go(func() {
				for g, err := range api.Groups(t.Context(), r) {
					if err != nil {
						t.Error(err)
						return
					}
					if readGroup(g, 25, 1000) == nil {
						whole.Add(1)
					}
					time.Sleep(400 * time.Millisecond)
				}
			})
		}
		reading.Wait()
		if whole.Load() != cameras*groups || s.Stats().GroupsDropped != 0 {
			t.Errorf("%d of %d groups were whole, %d dropped", whole.Load(), cameras*groups, s.Stats().GroupsDropped)
		}
	})
}

// readGroup reads a group with a number of frames of a size.
func readGroup(g api.GroupReader, frames, size int) error {
	var f api.Frame
	for n := 0; ; n++ {
		switch err := g.ReadFrame(&f); {
		case err == io.EOF && n == frames:
			return nil
		case err == io.EOF:
			return fmt.Errorf("%d of %d frames", n, frames)
		case err != nil:
			return err
		case len(f.Payload) != size:
			return fmt.Errorf("a frame of %d bytes, not %d", len(f.Payload), size)
		}
	}
}

// TestThousandTracksReadInTurn reads a thousand tracks in one goroutine, each
// of a few tiny groups, long after they have arrived. The last group of each
// is still open.
func TestThousandTracksReadInTurn(t *testing.T) {
	const tracks, groups = 1000, 4
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		goOn := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			for i := range groups {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = g.WriteFrame(api.Frame{Payload: make([]byte, 100)})
				if i == groups-1 {
					<-goOn
				}
				_ = g.WriteFrame(api.Frame{Payload: make([]byte, 100)})
				_ = g.Close()
			}
		})
		readers := make([]api.TrackReader, tracks)
		for i := range readers {
			var err error
			if readers[i], err = s.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint(i)), nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		close(goOn)
		time.Sleep(time.Second)
		for i, r := range readers {
			n := 0
			for g, err := range api.Groups(t.Context(), r) {
				if err != nil {
					t.Fatalf("track %d: %v", i, err)
				}
				if err := readGroup(g, 2, 100); err != nil {
					t.Fatalf("track %d, group %d: %v", i, g.Sequence(), err)
				}
				n++
			}
			if n != groups || len(r.Gaps()) != 0 {
				t.Fatalf("track %d: %d of %d groups", i, n, groups)
			}
		}
		if n := s.Stats().GroupsDropped; n != 0 {
			t.Errorf("%d groups were dropped", n)
		}
	})
}

// TestGroupsBeyondTheQueueAreCounted leaves more groups unread than a subscription
// may hold: those that are dropped are gaps, and counted.
func TestGroupsBeyondTheQueueAreCounted(t *testing.T) {
	const held, groups = 8, 50
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		publishGroups(t, mux, "room", groups)
		server := moqtest.NewServer(mux)
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Limits: api.Limits{UnreadGroups: held}}
		s, err := client.Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.Sleep(5 * time.Second)
		var lost int
		for _, gap := range r.Gaps() {
			lost += int(gap.End - gap.Start)
		}
		if n := s.Stats().GroupsDropped; lost != groups-held || int(n) != lost {
			t.Errorf("%d groups are gaps, and %d counted, want %d", lost, n, groups-held)
		}
	})
}

// TestReaderThatHasCaughtUpIsWaitedFor: the first AcceptGroup skips the groups of a full
// queue. When the queue is full again, its reader has a moment to read before a group is
// dropped.
func TestReaderThatHasCaughtUpIsWaitedFor(t *testing.T) {
	const held = 8
	synctest.Test(t, func(t *testing.T) {
		mux, burst := api.NewTrackMux(), make(chan int)
		if err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			for n := range burst {
				for range n {
					g, err := w.OpenGroup(w.Context())
					if err != nil {
						return
					}
					_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
					_ = g.Close()
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Limits: api.Limits{UnreadGroups: held}}
		s, err := client.Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "room", "video", &api.SubscribeConfig{StartGroup: api.GroupLatest})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		accept := func() {
			g, err := r.AcceptGroup(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			g.Cancel(api.StreamCancelled)
		}
		burst <- 1
		time.Sleep(time.Second)
		burst <- 2 * held
		time.Sleep(time.Second)
		dropped := s.Stats().GroupsDropped
		if dropped == 0 {
			t.Fatal("the queue was not full")
		}
		accept()
		burst <- held + 1
		time.Sleep(5 * time.Millisecond)
		for range held {
			accept()
		}
		if n := s.Stats().GroupsDropped; n != dropped {
			t.Errorf("%d groups were dropped at once", n-dropped)
		}
		close(burst)
	})
}

// TestUnreadGroupsThatGrow checks a peer whose groups are all open, unread,
// and growing as fast as they can. Another track continues beside them, and
// the memory that they use is bounded: the oldest are given up.
func TestUnreadGroupsThatGrow(t *testing.T) {
	const tracks, each = 64, 4
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		var standing atomic.Int64 // bytes of groups that were not given up
		grow := func(g api.GroupWriter) {
			written := int64(0)
			for g.WriteFrame(api.Frame{Payload: make([]byte, 10_000)}) == nil {
				written += 10_000
				standing.Add(10_000)
				time.Sleep(time.Millisecond)
			}
			standing.Add(-written)
		}
		publish(t, mux, func(w api.TrackWriter) {
			for range each {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					return
				}
				go grow(g)
			}
			<-w.Context().Done()
		})
		publishLive(t, mux)
		unread := make([]api.TrackReader, tracks)
		for i := range unread {
			var err error
			if unread[i], err = s.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint(i)), nil); err != nil {
				t.Fatal(err)
			}
		}
		readLive(t, s)
		const most = 8<<20 + 2<<20 // and what the writers hold
		if n := standing.Load(); n == 0 || n > most {
			t.Errorf("%d KiB of groups that nobody reads stand", n>>10)
		}
		dropped := 0
		for i, r := range unread {
			gaps := r.Gaps()
			for _, gap := range gaps {
				dropped += int(gap.End - gap.Start)
				if gap.Start != 0 || !errors.Is(gap.Err, api.ErrTooFarBehind) {
					t.Errorf("track %d lost groups %d to %d, which are not the oldest: %v", i, gap.Start, gap.End, gap.Err)
				}
			}
		}
		if n := s.Stats().GroupsDropped; int(n) != dropped || dropped < each*tracks/2 || dropped >= each*tracks {
			t.Errorf("%d of %d groups were dropped, of which %d are told as gaps", n, each*tracks, dropped)
		}
	})
}

const (
	liveGroups = 100

	// liveSteady is the first group that must not be late. Those before it may
	// wait until the writers of unread groups learn that these are given up.
	liveSteady = 40
)

// publishLive publishes a track of small groups, 20 a second.
func publishLive(t *testing.T, mux *api.TrackMux) {
	t.Helper()
	err := mux.PublishFunc(t.Context(), "live", func(w api.TrackWriter) {
		for range liveGroups {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: make([]byte, 20_000)})
			_ = g.Close()
			time.Sleep(50 * time.Millisecond)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readLive reads that track, which must not stall beside the unread ones.
func readLive(t *testing.T, s api.Session) {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "live", "video", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, time.Now()
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if err := readGroup(g, 1, 20_000); err != nil {
			t.Errorf("live group %d: %v", g.Sequence(), err)
		}
		if stalled := time.Since(last); n >= liveSteady && stalled > 200*time.Millisecond {
			t.Errorf("live group %d came %v after the one before", g.Sequence(), stalled)
		}
		n, last = n+1, time.Now()
	}
	if n != liveGroups {
		t.Errorf("read %d live groups, want %d", n, liveGroups)
	}
}
