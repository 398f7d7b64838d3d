package redial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// frameOf returns the payload of a log's frame, some of which are large.
func frameOf(n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "frame %d;", n), 1+n%7*500)
}

// logTrack publishes "log" of "room" in mux: one group with a number of frames, and
// the track's end.
func logTrack(t *testing.T, mux *api.TrackMux, frames int) {
	t.Helper()
	b := &live.Broadcast{Limits: live.Limits{Age: time.Hour}}
	track := b.Track("log", api.TrackInfo{MaxLatency: time.Hour})
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
		defer track.Close()
		defer g.Close()
		for n := range frames {
			if err := g.WriteFrame(api.Frame{Timestamp: uint64(n) * 100, Payload: frameOf(n)}); err != nil {
				t.Error(err)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}()
}

// readLog reads one group, in which each frame must come once and in order.
func readLog(t *testing.T, r api.TrackReader, frames int, streamed bool) {
	t.Helper()
	g, err := r.AcceptGroup(t.Context())
	if err != nil || g.Sequence() != 0 || g.FirstFrame() != 0 {
		t.Fatalf("%v, %v", g, err)
	}
	for n := 0; ; n++ {
		payload, err := readFrame(g, streamed)
		if err == io.EOF {
			if n != frames {
				t.Errorf("it ends after %d frames of %d", n, frames)
			}
			break
		}
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		if !bytes.Equal(payload, frameOf(n)) {
			t.Fatalf("frame %d of %d bytes is %q…", n, len(payload), payload[:min(20, len(payload))])
		}
	}
	if g, err := r.AcceptGroup(t.Context()); err != io.EOF {
		t.Errorf("after the log: %v, %v", g, err)
	}
	if gaps := r.Gaps(); gaps != nil {
		t.Errorf("gaps %v", gaps)
	}
}

// TestLogSurvivesCuts at any moment, in each version, with one GroupReader.
func TestLogSurvivesCuts(t *testing.T) {
	const frames = 150
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				rnd := rand.New(rand.NewPCG(seed, 0))
				mux := api.NewTrackMux()
				logTrack(t, mux, frames)
				server, _, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				config := &api.SubscribeConfig{Resume: true}
				if seed%2 == 0 {
					config.StartGroup = api.GroupLatest
				}
				r, err := s.Subscribe(t.Context(), "room", "log", config)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				stop := make(chan struct{})
				defer close(stop)
				go func() {
					for {
						select {
						case <-time.After(time.Duration(rnd.IntN(4000)) * time.Millisecond):
							server.Sever()
						case <-stop:
							return
						}
					}
				}()
				readLog(t, r, frames, seed >= 3)
			})
		})
	}
}

// TestResumedGroupIsCancelled: nothing comes after that, and nothing is left.
func TestResumedGroupIsCancelled(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		logTrack(t, mux, 100)
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r, err := s.Subscribe(t.Context(), "room", "log", &api.SubscribeConfig{Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, server.Sever)
		time.AfterFunc(1001*time.Millisecond, func() { g.Cancel(api.StreamCancelled) })
		for err == nil {
			_, err = readFrame(g, false)
		}
		if !errors.Is(err, api.ErrClosed) {
			t.Errorf("the group ends with %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if g, err := r.AcceptGroup(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after it: %v, %v", g, err)
		}
	}, withOrigins...)
}

// TestOlderGroupIsResumed: one that is not the newest is fetched, where the version
// can, and else ends with an error that says so.
func TestOlderGroupIsResumed(t *testing.T) {
	const frames = 60
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		b := &live.Broadcast{Limits: live.Limits{Age: time.Hour}}
		track := b.Track("log", api.TrackInfo{MaxLatency: time.Hour})
		if err := mux.Publish(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
		defer track.Close()
		old, err := track.OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer old.Close()
			for n := range frames {
				_ = old.WriteFrame(api.Frame{Timestamp: uint64(n) * 100, Payload: frameOf(n)})
				if n == 10 {
					_ = api.WriteGroup(t.Context(), track, api.Frame{Timestamp: 2000})
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r, err := s.Subscribe(t.Context(), "room", "log", &api.SubscribeConfig{Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g, err := r.AcceptGroup(t.Context())
		if err != nil || g.Sequence() != 0 {
			t.Fatal(g, err)
		}
		go func() { // the newer one is read at once
			if g, err := r.AcceptGroup(t.Context()); err == nil {
				_, _ = readFrame(g, false)
				_, _ = readFrame(g, false)
			}
		}()
		time.AfterFunc(3*time.Second, server.Sever)
		n := 0
		for ; err == nil; n++ {
			var payload []byte
			if payload, err = readFrame(g, false); err == nil && !bytes.Equal(payload, frameOf(n)) {
				t.Fatalf("frame %d is another", n)
			}
		}
		switch fetches := v == api.Lite05 || v == api.Lite06; {
		case fetches && (err != io.EOF || n != frames+1):
			t.Errorf("it ends after %d frames of %d: %v", n-1, frames, err)
		case !fetches && (!errors.Is(err, api.ErrNotSupported) || !errors.Is(err, api.ErrSessionClosed)):
			t.Errorf("it ends with %v", err)
		}
		time.Sleep(10 * time.Second) // the writer ends
	})
}
