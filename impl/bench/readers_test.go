//go:build unix

package bench

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// manyReaders is how many read one track.
const manyReaders = 10

// readersOf has many readers of one track of a subscriber. It counts bytes.
func readersOf(b *testing.B, mux *api.TrackMux, from api.Subscriber) sample {
	err := mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) { writeGroups(w, 30, 16<<10) })
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var read atomic.Int64
	var work sync.WaitGroup
	if w, ok := from.(api.Session); ok {
		if a, err := w.Announcements(ctx, ""); err == nil {
			_, _ = a.Receive(ctx)
			_ = a.Close()
		}
	}
	for range manyReaders {
		r, err := from.Subscribe(ctx, "bench", "track", nil)
		if err != nil {
			b.Fatal(err)
		}
		work.Go(func() {
			defer r.Close()
			var f api.Frame
			for g, err := range api.Groups(ctx, r) {
				if err != nil {
					return
				}
				for g.ReadFrame(&f) == nil {
					read.Add(int64(len(f.Payload)))
				}
			}
		})
	}
	sample := sampled(read.Load)
	cancel()
	work.Wait()
	return sample
}

func BenchmarkReaders(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	compare(b,
		side{"shared", func(b *testing.B) sample {
			s := newSession(b, "moqt")
			defer s.end()
			r := relay.New()
			go r.Handler(s.Session)
			server := moqtest.NewServer(r.Mux())
			defer server.Close()
			local, err := server.Client().Dial(b.Context(), server.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			return readersOf(b, s.mux, local)
		}},
		side{"each", func(b *testing.B) sample {
			s := newSession(b, "moqt")
			defer s.end()
			return readersOf(b, s.mux, s)
		}},
	)
}
