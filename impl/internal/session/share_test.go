package session_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// A writeRecorder records the addresses of the slices that are written to unidirectional
// streams, except small ones.
type writeRecorder struct {
	transport.Conn
	mu     sync.Mutex
	writes []*byte
}

func (c *writeRecorder) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	st, err := c.Conn.OpenUniStream(ctx)
	return &recordedStream{st, c}, err
}

type recordedStream struct {
	transport.SendStream
	conn *writeRecorder
}

func (s *recordedStream) Write(p []byte) (int, error) {
	if len(p) > 1024 {
		s.conn.mu.Lock()
		s.conn.writes = append(s.conn.writes, &p[0])
		s.conn.mu.Unlock()
	}
	return s.SendStream.Write(p)
}

// sharedFrames returns frames with the timestamps 1, 2, ….
func sharedFrames(n, size int) []*api.SharedFrame {
	var all []*api.SharedFrame
	for i := range n {
		payload := bytes.Repeat([]byte{byte(i + 1)}, size)
		all = append(all, &api.SharedFrame{Frame: api.Frame{Timestamp: uint64(i + 1), Payload: payload}})
	}
	return all
}

// shares is a handler that writes a group: a small frame, and then shared frames with a
// pause before each.
func shares(frames []*api.SharedFrame, written *atomic.Int64) api.TrackFuncs {
	return api.TrackFuncs{Serve: func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("first")})
		for _, f := range frames {
			time.Sleep(10 * time.Millisecond)
			if g.(api.SharedWriter).WriteSharedFrame(f) != nil {
				return
			}
			written.Add(1)
		}
		_ = g.Close()
		_ = w.Close()
	}}
}

// readShared reads the group that shares has written.
func readShared(t *testing.T, g api.GroupReader, frames []*api.SharedFrame, version api.Version) {
	t.Helper()
	for i := range len(frames) + 1 {
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil {
			t.Errorf("frame %d: %v", i, err)
			return
		}
		want := api.Frame{Payload: []byte("first")}
		if i > 0 {
			want = frames[i-1].Frame
		}
		if !bytes.Equal(f.Payload, want.Payload) || version >= api.Lite05 && f.Timestamp != want.Timestamp {
			t.Errorf("frame %d, stamped %d: it is another one", i, f.Timestamp)
		}
	}
	if err := g.ReadFrame(new(api.Frame)); err != io.EOF {
		t.Errorf("the group ends with %v", err)
	}
}

// TestSharedFramesAreWrittenFromWhereTheyAre: two sessions of a version write the same
// frames, and both pass the same memory to the transport.
func TestSharedFramesAreWrittenFromWhereTheyAre(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frames, written := sharedFrames(5, 4000), new(atomic.Int64)
				mux := api.NewTrackMux()
				if err := mux.Publish(t.Context(), "a", shares(frames, written)); err != nil {
					t.Fatal(err)
				}
				var recorders []*writeRecorder
				var reading sync.WaitGroup
				for range 2 {
					client, server := memconn.Pipe(string(v), nil, nil)
					recorder := &writeRecorder{Conn: server}
					recorders = append(recorders, recorder)
					s, end := overConns(t, client, recorder, mux)
					defer end()
					r, err := s.Subscribe(t.Context(), "a", "track", nil)
					if err != nil {
						t.Fatal(err)
					}
					reading.Go(func() {
						g, err := r.AcceptGroup(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						readShared(t, g, frames, v)
					})
				}
				reading.Wait()
				for i := range frames {
					if a, b := recorders[0].writes, recorders[1].writes; len(a) != len(frames) || len(b) != len(frames) || a[i] != b[i] {
						t.Fatalf("%d and %d writes for %d frames; frame %d is copied", len(a), len(b), len(frames), i)
					}
				}
			})
		})
	}
}

// TestSharedFrameWaitsForNothingElse: a reader stops, so the writer of the shared frames
// blocks, until another group has something to send. In the end everything arrives.
func TestSharedFrameWaitsForNothingElse(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frames, written := sharedFrames(9, 60_000), new(atomic.Int64)
				mux, other := api.NewTrackMux(), make(chan struct{})
				if err := mux.Publish(t.Context(), "a", shares(frames, written)); err != nil {
					t.Fatal(err)
				}
				if err := mux.PublishFunc(t.Context(), "b", func(w api.TrackWriter) {
					<-other
					if g, err := w.OpenGroup(w.Context()); err == nil {
						_ = g.WriteFrame(api.Frame{Payload: []byte("other")})
						_ = g.Close()
					}
				}); err != nil {
					t.Fatal(err)
				}
				client, server := memconn.Pipe(string(v), nil, nil)
				s, end := overConns(t, client, server, mux)
				defer end()
				stopped, err := s.Subscribe(t.Context(), "a", "track", nil)
				if err != nil {
					t.Fatal(err)
				}
				beside, err := s.Subscribe(t.Context(), "b", "track", nil)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				before := written.Load()
				if before == int64(len(frames)) {
					t.Fatal("all was taken of a group that nobody reads")
				}
				close(other)
				g, err := beside.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var f api.Frame
				if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "other" {
					t.Errorf("beside: %q, %v", f.Payload, err)
				}
				time.Sleep(time.Second)
				if written.Load() == before {
					t.Error("who brought a frame waits on when something else was to be sent")
				}
				g, err = stopped.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				readShared(t, g, frames, v)
			})
		})
	}
}

// TestSharedFrameIsCutShort resets a group whose writer blocks in WriteSharedFrame.
func TestSharedFrameIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := sharedFrames(9, 60_000)
		groups, failed := make(chan api.GroupWriter, 1), make(chan error, 1)
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "a", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			groups <- g
			if err == nil {
				err = g.WriteFrame(api.Frame{})
			}
			for _, f := range frames {
				time.Sleep(10 * time.Millisecond)
				if err == nil {
					err = g.(api.SharedWriter).WriteSharedFrame(f)
				}
			}
			failed <- err
		}); err != nil {
			t.Fatal(err)
		}
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		s, end := overConns(t, client, server, mux)
		defer end()
		if _, err := s.Subscribe(t.Context(), "a", "track", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		select {
		case err := <-failed:
			t.Fatalf("nobody waits: %v", err)
		default:
		}
		(<-groups).Cancel(api.StreamApplication)
		synctest.Wait()
		time.Sleep(time.Second)
		select {
		case err := <-failed:
			if err == nil {
				t.Error("frames of a group that was reset are written")
			}
		default:
			t.Error("the writer of a group that was reset waits on")
		}
	})
}
