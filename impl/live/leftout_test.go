package live_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// spell formats gaps as "3-10:33": start, end, and code in hex.
func spell(gaps []api.Gap) string {
	var out []string
	for _, gap := range gaps {
		out = append(out, fmt.Sprintf("%d-%d:%x", gap.Start, gap.End, uint64(api.ErrorCode(gap.Err))))
	}
	return strings.Join(out, " ")
}

func (s *subscriber) expectGaps(t *testing.T, what, want string) {
	t.Helper()
	synctest.Wait()
	if got := spell(s.Gaps()); got != want {
		t.Errorf("%s: told of gaps %q, want %q", what, got, want)
	}
}

func writeGap(t *testing.T, track api.TrackSink, start, end api.GroupSequence, code api.StreamErrorCode) {
	t.Helper()
	if err := track.(api.GapWriter).WriteGap(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: code}}); err != nil {
		t.Fatal(err)
	}
}

// TestWriteGap: gaps that the writer of a track reports reach current and later
// readers, in the process and over sessions.
func TestWriteGap(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{}).Paced()
		remote := subscribe(t, s, nil)
		local, err := b.Subscribe(t.Context(), "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		synctest.Wait()
		for _, seq := range []api.GroupSequence{2, 5} {
			_ = openAt(t, track, seq, 1, "x").Close()
		}
		writeGap(t, track, 0, 8, api.StreamEvicted)
		if _, err := track.OpenGroupAt(t.Context(), 4); err == nil {
			t.Error("group 4 was opened after it had been given up")
		}
		later, err := s.Subscribe(t.Context(), "room", "video", &api.SubscribeConfig{StartGroup: 1, EndGroup: 7})
		if err != nil {
			t.Fatal(err)
		}
		g := open(t, track, 1, "x")
		if g.Sequence() != 8 {
			t.Errorf("the next group is %d, want 8", g.Sequence())
		}
		_ = g.Close()
		synctest.Wait()
		for _, test := range []struct {
			what string
			r    api.TrackReader
			want string
		}{
			// A subscriber that asks for whatever is there begins with the
			// first group that comes.
			{"over a session", remote, "3-5:35 6-8:35"},
			{"in the process", local, "3-5:35 6-8:35"},
			{"who asks from 1 to 7", later, "1-2:35 3-5:35 6-7:35"},
		} {
			if got := spell(test.r.Gaps()); got != test.want {
				t.Errorf("%s: gaps %q, want %q", test.what, got, test.want)
			}
		}
		if err := later.Update(&api.SubscribeConfig{StartGroup: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := spell(later.Gaps()); got != "7-8:35" {
			t.Errorf("when the range is longer: gaps %q, want the rest", got)
		}
	})
}

// TestGapAboveALateGroup: a reader who asks for whatever is there gets a group
// below the first one. It is told at once of a gap between the two that was
// reported before.
func TestGapAboveALateGroup(t *testing.T) {
	for name, late := range map[string]func(t *testing.T, track api.TrackSink){
		"a group":    func(t *testing.T, track api.TrackSink) { _ = openAt(t, track, 20, 1, "x").Close() },
		"a datagram": func(_ *testing.T, track api.TrackSink) { _ = track.SendDatagramAt(20, api.Datagram{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{MaxLatency: time.Minute})
				r := serve(t, b, api.SubscribeConfig{})
				_ = openAt(t, track, 24, 400, "x").Close()
				writeGap(t, track, 22, 24, api.StreamInternal)
				r.expectGaps(t, "before", "")
				late(t, track)
				r.expectGaps(t, "after", "22-24:0")
				_ = openAt(t, track, 21, 100, "x").Close()
				r.expectGaps(t, "after one between", "22-24:0")
			})
		})
	}
}

// TestNeverWritten: a number that was never written is reported as soon as it
// would be too old, is below an evicted one, or the track has ended; and not
// before, since groups may be opened in any order.
func TestNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{Limits: live.Limits{Age: 20 * time.Second}}
		track := b.Track("video", api.TrackInfo{MaxLatency: 10 * time.Second})
		patient := serve(t, b, api.SubscribeConfig{StartGroup: 3})
		hasty := serve(t, b, api.SubscribeConfig{MaxLatency: time.Second})
		at := func(seq api.GroupSequence, timestamp uint64) {
			t.Helper()
			_ = openAt(t, track, seq, timestamp, "x").Close()
		}
		at(10, 1)
		at(12, 400)
		hasty.expectGaps(t, "while 11 may come", "")
		at(13, 1400)
		hasty.expectGaps(t, "when 11 would be too old", "11-12:34")
		patient.expectGaps(t, "who is patient", "")
		at(11, 300)
		patient.expect(t, "who is patient", "10:x 11:x 12:x 13:x")
		hasty.expect(t, "who was told", "10:x 12:x 13:x")

		at(15, 10_000)
		at(17, 20_000)
		patient.expectGaps(t, "when what is before 10 would be too old", "3-10:34 14-15:34")
		time.Sleep(30 * time.Second)
		at(19, 20_001)
		patient.expectGaps(t, "when what is before 18 is evicted", "3-10:34 14-15:34 16-17:35")
		late := serve(t, b, api.SubscribeConfig{StartGroup: 16})
		late.expectGaps(t, "who asks for what was evicted", "16-18:35")
		at(22, 20_002)
		_ = track.Close()
		late.expectGaps(t, "at the end of the track", "16-18:35 18-19:33 20-22:33")
		late.expectEnd(t, "with the track", nil)
	})
}

// TestGapsBeyondTheRange: groups beyond the range of a subscriber are not lost,
// unless the range is extended to them.
func TestGapsBeyondTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{Limits: live.Limits{Age: time.Second}}
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Second})
		s := serve(t, b, api.SubscribeConfig{StartGroup: 1, EndGroup: 3})
		for _, seq := range []api.GroupSequence{2, 4, 5} {
			_ = openAt(t, track, seq, 1, "x").Close()
		}
		time.Sleep(time.Minute)
		_ = openAt(t, track, 7, 60_000, "x").Close()
		s.expectGaps(t, "from 1 to 3", "1-2:35")
		s.Update(api.SubscribeConfig{StartGroup: 1, EndGroup: 5})
		s.expectGaps(t, "from 1 to 5", "1-2:35 3-5:35")
		s.Update(api.SubscribeConfig{StartGroup: 1})
		s.expectGaps(t, "from 1 on, while 6 may come", "1-2:35 3-5:35 5-6:35")
		s.expect(t, "served", "2:x 7:x")
	})
}

// writeInBursts writes five groups at a time, every 500 ms, as a program does
// that passes on bursts.
func writeInBursts(ctx context.Context, track *live.Track) {
	defer track.Close()
	for {
		for range 5 {
			if g, err := track.OpenGroup(ctx); err == nil {
				_ = g.WriteFrame(api.Frame{Payload: make([]byte, 100_000)})
				_ = g.Close()
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// An account is what a reader knows of the groups of a track.
type account struct {
	known       map[api.GroupSequence]bool // came, or are lost
	first, last api.GroupSequence          // that came
	lost        int
}

// readOn reads for some time, or to the end of the track.
func readOn(ctx context.Context, r api.TrackReader, d time.Duration) (a account, ended bool) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	a = account{known: make(map[api.GroupSequence]bool), first: api.GroupLatest}
	for {
		g, err := r.AcceptGroup(ctx)
		if err != nil {
			ended = err == io.EOF
			break
		}
		a.known[g.Sequence()] = true
		a.first, a.last = min(a.first, g.Sequence()), max(a.last, g.Sequence())
		go func() {
			for g.ReadFrame(new(api.Frame)) == nil {
			}
		}()
	}
	for _, gap := range r.Gaps() {
		for seq := gap.Start; seq < gap.End; seq++ {
			a.known[seq] = true
			a.lost++
		}
	}
	return a, ended
}

// silent returns the numbers below end that neither came nor were reported as
// lost.
func (a *account) silent(end api.GroupSequence) (missing []api.GroupSequence) {
	for seq := a.first; seq < end; seq++ {
		if !a.known[seq] {
			missing = append(missing, seq)
		}
	}
	return missing
}

// TestLeftOutIsTold stops the server of a live broadcast for 10 s: the groups
// that it leaves out then are reported, while the track goes on and if it ends
// meanwhile.
func TestLeftOutIsTold(t *testing.T) {
	for name, life := range map[string]time.Duration{"going on": time.Hour, "ended meanwhile": 8 * time.Second} {
		for _, v := range api.Versions() {
			t.Run(name+"/"+string(v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					writing, done := context.WithTimeout(ctx, life)
					defer done()
					b := new(live.Broadcast)
					go writeInBursts(writing, b.Track("video", api.TrackInfo{}))
					mux := api.NewTrackMux()
					if err := mux.Publish(ctx, "cam", b); err != nil {
						t.Fatal(err)
					}
					server := moqtest.NewServer(mux)
					defer server.Close()
					client := server.Client()
					client.Config = &api.Config{Versions: []api.Version{v}}
					session, err := client.Dial(ctx, server.URL, api.NewTrackMux())
					if err != nil {
						t.Fatal(err)
					}
					r, err := session.Subscribe(ctx, "cam", "video", &api.SubscribeConfig{MaxLatency: time.Second})
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					time.AfterFunc(3*time.Second, server.Freeze)
					time.AfterFunc(13*time.Second, server.Thaw)
					a, ended := readOn(ctx, r, 30*time.Second)
					end := a.last - 10 // what is newer may be on its way
					if ended = ended && life < time.Hour; ended {
						end = 5 * 16
					} else if life < time.Hour {
						t.Error("the track has not ended")
					}
					if missing := a.silent(end); len(missing) > 0 {
						t.Errorf("%d of %d groups are missing without a word: %v", len(missing), end, missing)
					}
					if a.lost == 0 {
						t.Error("nothing was left out: the test tests nothing")
					}
				})
			})
		}
	}
}
