package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// inProcess runs a test with a reader of a track in this process.
func inProcess(t *testing.T, limits live.Limits, config *api.SubscribeConfig, f func(t *testing.T, track *live.Track, r api.TrackReader)) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{Limits: limits}
		track := b.Track("video", api.TrackInfo{Priority: 3})
		r, err := b.Subscribe(t.Context(), "video", config)
		if err != nil {
			t.Fatal(err)
		}
		f(t, track, r)
		if err := r.Close(); err != nil {
			t.Error("close:", err)
		}
		_ = track.Close()
		synctest.Wait()
		if n := track.Subscribers(); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
	})
}

// putGroup writes a group of frames.
func putGroup(t *testing.T, track *live.Track, frames ...string) {
	t.Helper()
	g, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := g.WriteFrame(api.Frame{Timestamp: 5, Payload: []byte(f)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// acceptAndRead accepts a group and reads its frames.
func acceptAndRead(t *testing.T, r api.TrackReader) (seq api.GroupSequence, frames string) {
	t.Helper()
	g, err := r.AcceptGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for f, err := range api.Frames(t.Context(), g, nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(f.Payload))
	}
	return g.Sequence(), strings.Join(all, " ")
}

func TestReadInProcess(t *testing.T) {
	inProcess(t, live.Limits{}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		if got := r.Info().Priority; got != 3 {
			t.Errorf("priority %d, want the track's", got)
		}
		putGroup(t, track, "a", "", "b")
		putGroup(t, track)
		putGroup(t, track, strings.Repeat("x", 200<<10))
		for i, want := range []string{"a  b", "", strings.Repeat("x", 200<<10)} {
			if seq, got := acceptAndRead(t, r); got != want || seq != api.GroupSequence(i) {
				t.Errorf("group %d: %.20q of %d bytes, want group %d: %.20q", seq, got, len(got), i, want)
			}
		}
		if err := track.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
				t.Errorf("after the last group: %v, want io.EOF", err)
			}
		}
		if context.Cause(r.Context()) != io.EOF {
			t.Errorf("the reader's context: %v", context.Cause(r.Context()))
		}
	})
}

// TestFrameInProcessWhileItArrives reads the beginning of a frame before the
// rest is written, skips the rest, and copies another frame.
func TestFrameInProcessWhileItArrives(t *testing.T) {
	inProcess(t, live.Limits{}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		g, err := track.OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		body, err := g.StartFrame(api.FrameHeader{Timestamp: 9, Size: 6})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = body.Write([]byte("abc"))
		in, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h, payload, err := in.NextFrame()
		if err != nil || h.Timestamp != 9 || h.Size != 6 {
			t.Fatalf("%+v, %v", h, err)
		}
		two := make([]byte, 2)
		if _, err := io.ReadFull(payload, two); err != nil || string(two) != "ab" {
			t.Errorf("read %q, %v", two, err)
		}
		_, _ = body.Write([]byte("def"))
		_ = g.WriteFrame(api.Frame{Payload: []byte("second")})
		_ = g.Close()
		if _, payload, err = in.NextFrame(); err != nil {
			t.Fatal(err)
		}
		var second strings.Builder
		if _, err := io.Copy(&second, payload); err != nil || second.String() != "second" {
			t.Errorf("copied %q, %v", second.String(), err)
		}
		if _, err := payload.Read(two); err != io.EOF {
			t.Errorf("after the payload: %v", err)
		}
		if err := in.ReadFrame(new(api.Frame)); err != io.EOF {
			t.Errorf("after the last frame: %v", err)
		}
	})
}

// TestSlowReaderInProcess: a slow reader does not hold up the writer, and is
// told what it has missed.
func TestSlowReaderInProcess(t *testing.T) {
	inProcess(t, live.Limits{Bytes: 64 << 10}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		for range 100 {
			putGroup(t, track, strings.Repeat("x", 8<<10))
			synctest.Wait()
		}
		_ = track.Close()
		read, missed := 0, 0
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = g.ReadFrame(new(api.Frame))
			}
			if err == io.EOF {
				read++
			} else {
				missed++ // given up while it was read
			}
		}
		for _, gap := range r.Gaps() {
			if !errors.Is(gap.Err, api.ErrTooFarBehind) && api.ErrorCode(gap.Err) != api.StreamEvicted {
				t.Errorf("gap of %d to %d: %v", gap.Start, gap.End, gap.Err)
			}
			missed += int(gap.End - gap.Start)
		}
		if read+missed != 100 || read == 0 || missed == 0 {
			t.Errorf("read %d and missed %d of 100 groups", read, missed)
		}
	})
}

// What is given up before it is accepted becomes a gap at once: nothing piles up
// for a reader that accepts no groups.
func TestIdleReaderInProcess(t *testing.T) {
	const groups, served = 200, 64
	inProcess(t, live.Limits{}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		for range groups {
			putGroup(t, track, "frame")
			synctest.Wait()
		}
		var lost api.GroupSequence
		for _, gap := range r.Gaps() {
			if !errors.Is(gap.Err, api.ErrTooFarBehind) {
				t.Errorf("gap %v", gap)
			}
			lost += gap.End - gap.Start
		}
		if lost < groups-2*served || lost >= groups {
			t.Errorf("%d of %d groups are lost", lost, groups)
		}
	})
}

func TestCancelInProcess(t *testing.T) {
	inProcess(t, live.Limits{}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		putGroup(t, track, "a", "b")
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := g.ReadFrame(new(api.Frame)); err != nil {
			t.Fatal(err)
		}
		g.Cancel(api.StreamCancelled)
		if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrClosed) {
			t.Errorf("after Cancel: %v", err)
		}
		putGroup(t, track, "c")
		if _, got := acceptAndRead(t, r); got != "c" {
			t.Errorf("read %q", got)
		}
		// A group that is reset fails for its reader.
		out, _ := track.OpenGroup(t.Context())
		_ = out.WriteFrame(api.Frame{Payload: []byte("d")})
		if g, err = r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = g.ReadFrame(new(api.Frame))
		out.Cancel(api.StreamTooFarBehind)
		if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrTooFarBehind) {
			t.Errorf("after a reset: %v", err)
		}
		// And so does what waits, when the reader leaves.
		waits := make(chan error, 1)
		go func() {
			_, err := r.AcceptGroup(t.Context())
			waits <- err
		}()
		synctest.Wait()
		_ = r.Close()
		if err := <-waits; !errors.Is(err, api.ErrClosed) {
			t.Errorf("AcceptGroup after Close: %v", err)
		}
	})
}

func TestRangeInProcess(t *testing.T) {
	inProcess(t, live.Limits{}, &api.SubscribeConfig{EndGroup: 2}, func(t *testing.T, track *live.Track, r api.TrackReader) {
		for i := range 4 {
			putGroup(t, track, fmt.Sprint(i))
		}
		for i := range 2 {
			if _, got := acceptAndRead(t, r); got != fmt.Sprint(i) {
				t.Errorf("read %q, want group %d", got, i)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.AcceptGroup(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beyond the range: %v", err)
		}
		if err := r.Update(nil); err != nil {
			t.Fatal(err)
		}
		for i := 2; i < 4; i++ {
			if _, got := acceptAndRead(t, r); got != fmt.Sprint(i) {
				t.Errorf("read %q, want group %d", got, i)
			}
		}
	})
}

func TestDatagramsInProcess(t *testing.T) {
	inProcess(t, live.Limits{}, nil, func(t *testing.T, track *live.Track, r api.TrackReader) {
		payload := []byte("one")
		if err := track.SendDatagram(api.Datagram{Timestamp: 7, Payload: payload}); err != nil {
			t.Fatal(err)
		}
		payload[0] = 'x' // it is the writer's again
		var d api.Datagram
		if err := r.ReceiveDatagram(t.Context(), &d); err != nil || string(d.Payload) != "one" || d.Timestamp != 7 {
			t.Errorf("%q at %d, %v", d.Payload, d.Timestamp, err)
		}
		_ = track.Close()
		if err := r.ReceiveDatagram(t.Context(), &d); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestNoSuchTrackInProcess(t *testing.T) {
	if _, err := new(live.Broadcast).Subscribe(t.Context(), "video", nil); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}
