package redial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// stateTrack publishes "state" of "room" in mux: one group that stays open,
// with a frame each second, which contains its index.
func stateTrack(t *testing.T, mux *api.TrackMux) {
	t.Helper()
	b := new(live.Broadcast)
	track := b.Track("state", api.TrackInfo{})
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	g, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go func() {
		for n := 0; g.WriteFrame(api.Frame{Timestamp: uint64(n) * 1000, Payload: fmt.Append(nil, n)}) == nil; n++ {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				_ = track.Close()
				return
			}
		}
	}()
}

// A follower reads a track of one open group, whose frames are their indexes.
type follower struct {
	groups int
	next   uint64
	last   time.Time // when a frame came
}

// follow reads until ctx ends, by ReadFrame or by NextFrame. Each frame must
// come once, in order, and each group must begin with the first frame that has
// not come.
func (f *follower) follow(ctx context.Context, t *testing.T, r api.TrackReader, streamed bool) {
	t.Helper()
	for {
		g, err := r.AcceptGroup(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("the track ends: %v", err)
			}
			return
		}
		f.groups++
		if g.Sequence() != 0 || g.FirstFrame() != f.next {
			t.Errorf("group %d begins at frame %d, want %d of group 0", g.Sequence(), g.FirstFrame(), f.next)
		}
		stop := context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })
		for err == nil {
			var payload []byte
			if payload, err = readFrame(g, streamed); err != nil {
				break
			}
			if string(payload) != fmt.Sprint(f.next) {
				t.Errorf("frame %d has %q", f.next, payload)
			}
			f.next++
			f.last = time.Now()
		}
		stop()
		if err == io.EOF {
			t.Error("the group ends")
		}
	}
}

func readFrame(g api.GroupReader, streamed bool) ([]byte, error) {
	if !streamed {
		var f api.Frame
		err := g.ReadFrame(&f)
		return f.Payload, err
	}
	_, payload, err := g.NextFrame()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(payload)
}

// TestOpenGroupAfterACut cuts the connection again and again while the only
// group of a track is open: it comes again, with the frames that follow.
func TestOpenGroupAfterACut(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		t.Run(fmt.Sprint("streamed ", streamed), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux := api.NewTrackMux()
				stateTrack(t, mux)
				server, _, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				r, err := s.Subscribe(t.Context(), "room", "state", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				go func() {
					for range 3 {
						time.Sleep(5500 * time.Millisecond)
						server.Sever()
					}
				}()
				var f follower
				f.follow(ctx, t, r, streamed)
				if f.groups != 4 || f.next < 55 || time.Since(f.last) > 2*time.Second {
					t.Errorf("%d groups, %d frames, silent for %v", f.groups, f.next, time.Since(f.last))
				}
				if gaps := r.Gaps(); gaps != nil {
					t.Errorf("gaps %v", gaps)
				}
			}, withOrigins...)
		})
	}
}

// TestOpenGroupAfterAMove: the peer sends a GOAWAY while the only group of a
// track is open. The group is read over the session that is left as long as
// that drains, and then comes again over the next one.
func TestOpenGroupAfterAMove(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		stateTrack(t, mux)
		server := newNode(mux, nil, 0)
		defer server.Close()
		policy := quick()
		policy.DrainTimeout = 20 * time.Second
		n, s := viewer(t, server, v, policy)
		defer s.Terminate(api.SessionNoError, "")
		r, err := s.Subscribe(t.Context(), "room", "state", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(5500*time.Millisecond, func() { server.goAway(t, "") })
		var f follower
		f.follow(ctx, t, r, false)
		if f.groups != 2 || f.next < 55 || time.Since(f.last) > 2*time.Second {
			t.Errorf("%d groups, %d frames, silent for %v", f.groups, f.next, time.Since(f.last))
		}
		if ports := n.ports(); len(ports) != 2 {
			t.Errorf("dialled %v", ports)
		}
	}, withOrigins...)
}

// TestCancelledGroupStaysAway cancels the newest group before the session is
// lost: it does not come again.
func TestCancelledGroupStaysAway(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		stateTrack(t, mux)
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r, err := s.Subscribe(t.Context(), "room", "state", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g.Cancel(api.StreamCancelled)
		server.Sever()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if g, err := r.AcceptGroup(ctx); err == nil {
			t.Errorf("group %d came again", g.Sequence())
		}
	}, withOrigins...)
}

// TestReaderOfTheBrokenGroupComesFirst loses the session while frames of the
// newest group wait for their reader: the group comes again when these have
// been read, and not before.
func TestReaderOfTheBrokenGroupComesFirst(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		stateTrack(t, mux)
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r, err := s.Subscribe(t.Context(), "room", "state", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		server.Sever()
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.AcceptGroup(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("before the broken group was read: %v", err)
		}
		read := uint64(0)
		for ; err == nil; read++ {
			_, err = readFrame(g, false)
		}
		read-- // the last one was an error
		again, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again.Sequence() != 0 || again.FirstFrame() != read {
			t.Errorf("group %d begins at frame %d, want %d of group 0", again.Sequence(), again.FirstFrame(), read)
		}
		synctest.Wait()
		if payload, err := readFrame(again, false); err != nil || string(payload) != fmt.Sprint(read) {
			t.Errorf("read %q, %v", payload, err)
		}
	}, withOrigins...)
}

// TestBrokenGroupComesOnceAtATime: while frames of the newest group wait for
// their reader, a relay that stays resets the track twice. Both feeds that
// follow have asked for the group; the reader gets it from one after the other.
func TestBrokenGroupComesOnceAtATime(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		var asked atomic.Int64
		b, mux := new(live.Broadcast), api.NewTrackMux()
		out, err := b.Track("video", api.TrackInfo{}).OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			probes := w.Request().Config.MaxLatency < 0 // for another numbering
			if !probes && asked.Add(1) < 3 {
				reset := time.AfterFunc(time.Second, func() { _ = w.CloseWithError(api.StreamUnroutable) })
				defer reset.Stop()
			}
			b.ServeTrack(w)
		})
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		defer r.Close()
		_ = out.WriteFrame(api.Frame{Payload: []byte("0")})
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		_ = out.WriteFrame(api.Frame{Payload: []byte("1")})
		if n := asked.Load(); n != 3 {
			t.Fatalf("asked %d times, want 3", n)
		}
		next := 0
		for next < 2 {
			payload, err := readFrame(g, false)
			if err == nil && string(payload) == fmt.Sprint(next) {
				next++
				continue
			}
			if g, err = r.AcceptGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if twice, err := r.AcceptGroup(ctx); err == nil {
				t.Fatalf("group %d came twice at a time", twice.Sequence())
			}
			cancel()
		}
	}, withOrigins...)
}

// TestOpenGroupResetAgainAndAgain: a relay that stays resets a track whenever
// its open group is asked for. It is asked with pauses, and not for ever.
func TestOpenGroupResetAgainAndAgain(t *testing.T) {
	for _, code := range []api.StreamErrorCode{api.StreamInternal, api.StreamUnroutable, api.StreamGoingAway} {
		t.Run(code.String(), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				var asked atomic.Int64
				b, mux := new(live.Broadcast), api.NewTrackMux()
				g, err := b.Track("video", api.TrackInfo{}).OpenGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_ = g.WriteFrame(api.Frame{Payload: []byte("0")})
				err = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
					asked.Add(1)
					reset := time.AfterFunc(5*time.Millisecond, func() { _ = w.CloseWithError(code) })
					defer reset.Stop()
					b.ServeTrack(w)
				})
				if err != nil {
					t.Fatal(err)
				}
				policy := quick()
				policy.ResumeTimeout = 30 * time.Second
				server, _, s := single(t, mux, v, policy)
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				began := time.Now()
				seen := view(ctx, subscribe(t, s, nil))
				if took := time.Since(began); seen.err == nil || took < 20*time.Second || took > time.Minute {
					t.Errorf("ended after %v with %v", took, seen.err)
				}
				if n := asked.Load(); n < 5 || n > 80 {
					t.Errorf("asked %d times", n)
				}
			}, withOrigins...)
		})
	}
}

// TestOpenGroupCutWithinAFrame cuts the connection within the payload of a
// frame. A reader that cancels the group after that error gets it again, from
// that frame on.
func TestOpenGroupCutWithinAFrame(t *testing.T) {
	for name, read := range map[string]func(r io.Reader) ([]byte, error){
		"read": io.ReadAll,
		"copied": func(r io.Reader) ([]byte, error) {
			var b bytes.Buffer
			_, err := io.Copy(&b, r)
			return b.Bytes(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				track := b.Track("state", api.TrackInfo{})
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				out, err := track.OpenGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				body, _ := out.StartFrame(api.FrameHeader{Timestamp: 1, Size: 8})
				_, _ = io.WriteString(body, "half")
				server, _, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				r, err := s.Subscribe(t.Context(), "room", "state", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				time.AfterFunc(time.Second, server.Sever)
				time.AfterFunc(2*time.Second, func() { _, _ = io.WriteString(body, "more") })
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for _, want := range []string{"half", "halfmore"} {
					g, err := r.AcceptGroup(ctx)
					if err != nil {
						t.Fatalf("no group with %q: %v", want, err)
					}
					_, payload, err := g.NextFrame()
					if err != nil {
						t.Fatal(err)
					}
					if got, err := read(payload); string(got) != want || (err == nil) != (want == "halfmore") {
						t.Errorf("payload %q, %v; want %q", got, err, want)
					}
					g.Cancel(api.StreamCancelled)
				}
			}, withOrigins...)
		})
	}
}
