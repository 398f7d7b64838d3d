//go:build unix

package bench

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

// A session connects a client and a server of this module.
type session struct {
	api.Session
	mux *api.TrackMux // what the server publishes
	end func()
}

func newSession(b *testing.B, scheme string) session {
	mux := api.NewTrackMux()
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: mux, TLSConfig: serverTLS("")}
	addr, err := server.Listen()
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	client := &impl.Client{TLSConfig: clientTLS("")}
	s, err := client.Dial(b.Context(), scheme+"://"+addr.String(), api.NewTrackMux())
	if err != nil {
		b.Fatal(err)
	}
	return session{s, mux, func() {
		_ = client.Close()
		_ = server.Close()
	}}
}

// ourGroups makes a publisher send groups, each with the given number of frames
// of the given size. It counts frames.
func ourGroups(b *testing.B, scheme string, frames, size int, g *gate) work {
	s := newSession(b, scheme)
	if err := s.mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) { writeGroups(w, frames, size, g) }); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	r, err := s.Subscribe(ctx, "bench", "track", nil)
	if err != nil {
		b.Fatal(err)
	}
	read := new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var f api.Frame
		for {
			g, err := r.AcceptGroup(ctx)
			if err != nil {
				return
			}
			for g.ReadFrame(&f) == nil {
				read.Add(1)
			}
		}
	}()
	return work{read.Load, func() {
		cancel()
		_ = r.Close()
		<-done
		s.end()
	}}
}

func writeGroups(w api.TrackWriter, frames, size int, gate *gate) {
	f := api.Frame{Payload: make([]byte, size)}
	for {
		gate.pass()
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		for range frames {
			if g.WriteFrame(f) != nil {
				return
			}
		}
		if g.Close() != nil {
			return
		}
	}
}

func BenchmarkGroups(b *testing.B) {
	for _, load := range []struct {
		name         string
		frames, size int
	}{
		{"bulk, 30 frames of 16 KiB", 30, 16 << 10},
		{"100 frames of 200 B", 100, 200},
		{"1 frame of 100 B", 1, 100},
	} {
		for _, scheme := range []string{"moqt", "https"} {
			b.Run(load.name+"/"+scheme, func(b *testing.B) {
				defer debug.SetGCPercent(debug.SetGCPercent(400))
				compare(b,
					side{"ours", func(b *testing.B, g *gate) work { return ourGroups(b, scheme, load.frames, load.size, g) }},
					side{"plain", func(b *testing.B, g *gate) work { return plainOf(scheme).groups(b, load.frames, load.size, 0, g) }},
					side{"best", func(b *testing.B, g *gate) work {
						return pair(bestPair).groups(b, load.frames, load.size, gathered, g)
					}},
				)
			})
		}
	}
}
