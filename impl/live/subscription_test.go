package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// TestStartOfALateJoiner checks what each StartGroup gives to a subscriber that
// comes late, in every version.
func TestStartOfALateJoiner(t *testing.T) {
	for name, test := range map[string]struct {
		config     *api.SubscribeConfig
		want, gaps string
	}{
		"by default, the oldest":             {nil, "0:a 1:b 2:c,d,e 3:f", ""},
		"the oldest that is not too old":     {&api.SubscribeConfig{MaxLatency: 1500 * time.Millisecond}, "1:b 2:c,d,e 3:f", ""},
		"the newest alone":                   {&api.SubscribeConfig{MaxLatency: -1}, "2:c,d,e 3:f", ""},
		"the newest and what follows":        {&api.SubscribeConfig{StartGroup: api.GroupLatest}, "2:c,d,e 3:f", ""},
		"a number":                           {&api.SubscribeConfig{StartGroup: 1}, "1:b 2:c,d,e 3:f", ""},
		"a number that is too old":           {&api.SubscribeConfig{StartGroup: 1, MaxLatency: 500 * time.Millisecond}, "2:c,d,e 3:f", "1-2:34"},
		"a number that is yet to come":       {&api.SubscribeConfig{StartGroup: 3}, "3:f", ""},
		"a number above all that will come":  {&api.SubscribeConfig{StartGroup: 9}, "", ""},
		"a range that the newest is not in":  {&api.SubscribeConfig{StartGroup: 1, EndGroup: 2}, "1:b", ""},
		"a range from the oldest to a group": {&api.SubscribeConfig{EndGroup: 2}, "0:a 1:b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
				track := b.Track("video", api.TrackInfo{})
				_ = open(t, track, 1000, "a").Close()
				_ = open(t, track, 2000, "b").Close()
				g := open(t, track, 3000, "c")
				fill(t, g, 3700, "d")
				r := subscribe(t, s, test.config)
				synctest.Wait()
				fill(t, g, 3800, "e")
				_ = g.Close()
				synctest.Wait()
				_ = open(t, track, 3900, "f").Close()
				_ = b.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var got []string
				for g, err := range api.Groups(ctx, r) {
					if err != nil && ctx.Err() == nil {
						t.Fatal(err)
					}
					if err == nil {
						got = append(got, fmt.Sprintf("%d:%s", g.Sequence(), readGroup(g)))
					}
				}
				slices.Sort(got)
				if got := strings.Join(got, " "); got != test.want {
					t.Errorf("read %q, want %q", got, test.want)
				}
				if got := spell(r.Gaps()); got != test.gaps {
					t.Errorf("gaps %q, want %q", got, test.gaps)
				}
			})
		})
	}
}

// TestEdgeAtOnce: a subscriber that asks for the newest group gets it first,
// even if there is no time to choose; if it then asks for older ones, it gets
// those that did not come.
func TestEdgeAtOnce(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		for i := range uint64(20) {
			_ = open(t, track, 1+100*i, "x").Close()
		}
		g := open(t, track, 2001, "a")
		r := subscribe(t, s, &api.SubscribeConfig{StartGroup: api.GroupLatest})
		first := accept(t, r)
		if first.Sequence() != 20 {
			t.Fatalf("group %d, want 20", first.Sequence())
		}
		synctest.Wait()
		_ = open(t, track, 2101, "y").Close()
		fill(t, g, 2200, "b") // it is not the newest any more, but the next is new
		_ = g.Close()
		if got := readGroup(first); got != "a,b" {
			t.Errorf("the newest group: %q", got)
		}
		if err := r.Update(&api.SubscribeConfig{StartGroup: 15}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = b.Close()
		if got, want := readAll(t, r), "15:x 16:x 17:x 18:x 19:x 21:y"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
		if got := spell(r.Gaps()); got != "" {
			t.Errorf("gaps %q", got)
		}
	})
}

// TestNewestBesideAGroupWithoutAFrame begins with the newest group, whichever
// of those before has been opened and has no frame yet: such a group does not
// affect how old the others are.
func TestNewestBesideAGroupWithoutAFrame(t *testing.T) {
	const newest = 29
	for empty := range api.GroupSequence(newest) {
		synctest.Test(t, func(t *testing.T) {
			b := new(live.Broadcast)
			track := b.Track("video", api.TrackInfo{})
			for seq := range api.GroupSequence(newest + 1) {
				if seq == empty {
					_ = open(t, track, 0)
				} else {
					_ = open(t, track, 40*uint64(seq+1), "x").Close()
				}
			}
			ctx, leave := context.WithCancel(t.Context())
			w := apitest.NewTrackRecorder(ctx, api.TrackRequest{
				Path: "room", Name: "video", Config: api.SubscribeConfig{MaxLatency: -1},
			})
			var serving sync.WaitGroup
			serving.Go(func() { b.ServeTrack(w) })
			synctest.Wait()
			if g := w.Groups()[0]; g.Sequence() != newest {
				t.Errorf("group %d comes first where %d is empty, want %d", g.Sequence(), empty, newest)
			}
			leave()
			serving.Wait()
		})
	}
}

// TestMissingHead: a subscriber that asks for a numbered start is told what is
// missing from there on, whether it was evicted or never written.
func TestMissingHead(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		b.Limits.Age = time.Second
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Second})
		for seq := range api.GroupSequence(10) {
			_ = openAt(t, track, seq, 1, "x").Close()
		}
		time.Sleep(time.Minute)
		_ = openAt(t, track, 10, 60_000, "x").Close()
		evicted := subscribe(t, s, &api.SubscribeConfig{StartGroup: 3})
		if g := accept(t, evicted); g.Sequence() != 10 {
			t.Errorf("group %d, want 10", g.Sequence())
		}
		synctest.Wait()
		if got := spell(evicted.Gaps()); got != "3-10:35" {
			t.Errorf("gaps %q, want 3-10", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		_ = openAt(t, track, 10, 1000, "x").Close()
		s := serve(t, b, api.SubscribeConfig{StartGroup: 3})
		s.expectGaps(t, "while they may come", "")
		_ = openAt(t, track, 9, 900, "x").Close()
		s.expect(t, "when 9 has come", "9:x 10:x")
		_ = openAt(t, track, 11, 6000, "x").Close()
		s.expectGaps(t, "when they would be too old", "3-9:34")
		s.expect(t, "served", "9:x 10:x 11:x")
	})
}

func TestSubscriberOfAnEmptyTrackGetsAllThatComes(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, nil)
		synctest.Wait()
		put(t, track, "a", "b", "c")
		_ = b.Close()
		if got, want := readAll(t, r), "0:a 1:b 2:c"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

func TestExplicitStart(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		put(t, track, "a", "b", "c", "d")
		r := subscribe(t, s, &api.SubscribeConfig{StartGroup: 1})
		synctest.Wait()
		put(t, track, "e")
		_ = b.Close()
		if got, want := readAll(t, r), "1:b 2:c 3:d 4:e"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
		if gaps := r.Gaps(); len(gaps) > 0 {
			t.Errorf("gaps: %v", gaps)
		}
	})
}

// TestRangeOfThePast: a bounded range goes on when it is extended.
func TestRangeOfThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		put(t, track, "a", "b", "c", "d")
		s := serve(t, b, api.SubscribeConfig{EndGroup: 2})
		s.expect(t, "the range", "0:a 1:b")
		s.Update(api.SubscribeConfig{})
		s.expect(t, "all that follows", "0:a 1:b 2:c 3:d")

		s = serve(t, b, api.SubscribeConfig{StartGroup: api.GroupLatest, EndGroup: 3})
		s.expect(t, "a range before the newest", "")
		s.Update(api.SubscribeConfig{StartGroup: api.GroupLatest})
		s.expect(t, "the newest", "3:d")
		s.Update(api.SubscribeConfig{StartGroup: 1})
		s.expect(t, "from 1 on", "1:b 2:c 3:d")
		s.Update(api.SubscribeConfig{})
		s.expect(t, "all there is", "0:a 1:b 2:c 3:d")
	})
}

func TestStartAheadOfTheTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		put(t, track, "a")
		s := serve(t, b, api.SubscribeConfig{StartGroup: 3})
		put(t, track, "b", "c", "d", "e")
		s.expect(t, "from 3", "3:d 4:e")
		s.Update(api.SubscribeConfig{StartGroup: 1})
		s.expect(t, "from 1", "1:b 2:c 3:d 4:e")
		s.Update(api.SubscribeConfig{StartGroup: api.GroupLatest, Priority: 3})
		s.expect(t, "as before", "1:b 2:c 3:d 4:e")
		s.Update(api.SubscribeConfig{StartGroup: 6})
		synctest.Wait()
		put(t, track, "f", "g")
		s.expect(t, "from 6", "1:b 2:c 3:d 4:e 6:g")
		s.leave()
		s.expectEnd(t, "left", nil)
	})
}

// TestEndGroupPauses until the subscriber raises EndGroup, even beyond the
// track's end.
func TestEndGroupPauses(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, &api.SubscribeConfig{EndGroup: 2})
		synctest.Wait()
		put(t, track, "a", "b", "c", "d", "e")
		_ = b.Close()
		first, second := accept(t, r), accept(t, r)
		if got := readGroup(first) + readGroup(second); got != "ab" && got != "ba" {
			t.Errorf("before the end: %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := r.AcceptGroup(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("at the end: %v, want a pause", err)
		}
		if err := r.Update(&api.SubscribeConfig{EndGroup: 4}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := r.Update(&api.SubscribeConfig{}); err != nil {
			t.Fatal(err)
		}
		if got, want := readAll(t, r), "2:c 3:d 4:e"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

// TestCutThrough: the bytes of a frame arrive before its last byte is written.
func TestCutThrough(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		const size = 300 << 10
		payload := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, nil)
		synctest.Wait()
		g := open(t, track, 1, "first")
		body, err := g.StartFrame(api.FrameHeader{Timestamp: 2, Size: size})
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := in.ReadFrame(&f); err != nil || string(f.Payload) != "first" {
			t.Fatalf("read %q, %v", f.Payload, err)
		}
		h, reader, err := in.NextFrame()
		if err != nil || h.Size != size {
			t.Fatalf("header %+v, %v", h, err)
		}
		for at := 0; at < size; at += 100 << 10 {
			if _, err := body.Write(payload[at : at+100<<10]); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 100<<10)
			if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, payload[at:at+100<<10]) {
				t.Fatalf("piece at %d differs: %v", at, err)
			}
		}
		_ = g.Close()
		if err := in.ReadFrame(&f); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
	})
}

// TestFramesAreKept whatever their sizes and however they were written, for
// current and later readers.
func TestFramesAreKept(t *testing.T) {
	sizes := []int{0, 1, 100, 5000, 4095, 4096, 70_000, 3, 200_000, 65_536, 0, 1}
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		along := serve(t, b, api.SubscribeConfig{})
		g := open(t, track, 0)
		var want [][]byte
		for i, size := range append(sizes, sizes...) {
			payload := bytes.Repeat([]byte{byte('a' + i)}, size)
			want = append(want, bytes.Clone(payload))
			if i%3 == 0 {
				body, err := g.StartFrame(api.FrameHeader{Timestamp: uint64(i), Size: uint64(size)})
				if err != nil {
					t.Fatal(err)
				}
				half, _ := body.Write(payload[:size/2])
				_, _ = body.Write(payload[half:])
			} else if err := g.WriteFrame(api.Frame{Timestamp: uint64(i), Payload: payload}); err != nil {
				t.Fatal(err)
			}
			clear(payload)
			if i%2 == 0 {
				synctest.Wait()
			}
		}
		_ = g.Close()
		late := serve(t, b, api.SubscribeConfig{})
		for who, s := range map[string]*subscriber{"along": along, "late": late} {
			frames := s.Groups()[0].Frames()
			if len(frames) != len(want) {
				t.Fatalf("%s: %d frames, want %d", who, len(frames), len(want))
			}
			for i, f := range frames {
				if f.Timestamp != uint64(i) || !bytes.Equal(f.Payload, want[i]) {
					t.Errorf("%s: frame %d differs: timestamp %d, %d bytes, want %d", who, i, f.Timestamp, len(f.Payload), len(want[i]))
				}
			}
			s.leave()
		}
	})
}

func TestResets(t *testing.T) {
	const code = api.StreamApplication + 7
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		track := b.Track("video", api.TrackInfo{})
		r := subscribe(t, s, nil)
		synctest.Wait()
		cancelled := open(t, track, 1, "a")
		synctest.Wait()
		cancelled.Cancel(code)
		if got, want := readGroup(accept(t, r)), fmt.Sprintf("a,!%d", code); got != want {
			t.Errorf("a cancelled group: %q, want %q", got, want)
		}
		short := open(t, track, 1)
		body, _ := short.StartFrame(api.FrameHeader{Size: 3})
		_, _ = body.Write([]byte("xy"))
		synctest.Wait()
		if err := short.Close(); err == nil {
			t.Error("a short frame is closed in order")
		}
		if got, want := readGroup(accept(t, r)), fmt.Sprintf("!%d", api.StreamWrongSize); got != want {
			t.Errorf("a short group: %q, want %q", got, want)
		}
		last := open(t, track, 1, "z")
		g := accept(t, r)
		if err := track.CloseWithError(code); err != nil {
			t.Error(err)
		}
		if got := readGroup(g); !strings.HasSuffix(got, fmt.Sprintf("!%d", code)) {
			t.Errorf("an open group of an aborted track: %q", got)
		}
		_, err := r.AcceptGroup(t.Context())
		expectCode(t, "an aborted track", err, code)
		expectCode(t, "its writer", last.WriteFrame(api.Frame{}), code)
		expectCode(t, "its context", context.Cause(track.Context()), code)
		expectCode(t, "its group's context", context.Cause(last.Context()), code)
	})
}

// TestOutOfOrder makes groups come in any order, as from a relay's publisher,
// with first frames missing.
func TestOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		s := serve(t, b, api.SubscribeConfig{StartGroup: 2})
		g7, g5 := openAt(t, track, 7, 7, "h"), openAt(t, track, 5, 5, "f")
		g1 := openAt(t, track, 1, 1, "b")
		g3, err := track.OpenGroupAt(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := g3.SkipFrames(2); err != nil {
			t.Error(err)
		}
		fill(t, g3, 3, "d2")
		if err := g3.SkipFrames(1); err == nil {
			t.Error("frames are skipped after the first")
		}
		if _, err := track.OpenGroupAt(t.Context(), 5); err == nil {
			t.Error("group 5 is opened twice")
		}
		s.expect(t, "from 2", "3:d2,… 5:f,… 7:h,…")
		for _, g := range []api.GroupWriter{g1, g3, g5, g7} {
			_ = g.Close()
		}
		if g := open(t, track, 8, "i"); g.Sequence() != 8 {
			t.Errorf("the next number is %d, want 8", g.Sequence())
		} else {
			_ = g.Close()
		}
		late := serve(t, b, api.SubscribeConfig{StartGroup: 1})
		_ = track.Close()
		for _, s := range []*subscriber{s, late} {
			s.expectEnd(t, "the track's end", nil)
		}
		s.expect(t, "from 2", "3:d2 5:f 7:h 8:i")
		late.expect(t, "from 1", "1:b 3:d2 5:f 7:h 8:i")
	})
}

func TestEndWaitsForOpenGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		g := open(t, track, 1, "a")
		s := serve(t, b, api.SubscribeConfig{})
		_ = b.Close()
		if _, err := track.OpenGroup(t.Context()); !errors.Is(err, api.ErrClosed) {
			t.Errorf("open after Close: %v", err)
		}
		if err := track.SendDatagram(api.Datagram{}); !errors.Is(err, api.ErrClosed) {
			t.Errorf("datagram after Close: %v", err)
		}
		s.expectServed(t, "with a group open")
		fill(t, g, 2, "b")
		_ = g.Close()
		s.expectEnd(t, "after it", nil)
		s.expect(t, "all of it", "0:a,b")
		late := serve(t, b, api.SubscribeConfig{})
		late.expectEnd(t, "late", nil)
		late.expect(t, "late", "0:a,b")
	})
}

func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		open(t, track, 1, "a")
		s := serve(t, b, api.SubscribeConfig{})
		if n := track.Subscribers(); n != 1 {
			t.Errorf("%d subscribers, want 1", n)
		}
		s.leave()
		s.expectEnd(t, "left", nil)
		s.expect(t, "its open group", fmt.Sprintf("0:a,!%d", api.StreamCancelled))
		if n := track.Subscribers(); n != 0 {
			t.Errorf("%d subscribers, want none", n)
		}
	})
}
