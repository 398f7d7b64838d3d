//go:build unix

package bench

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/relay"
)

// manyReaders is the number of readers of one track of a session.
const manyReaders = 10

// readMany counts the bytes that all of them read.
func readMany(b *testing.B, share func(api.Session) api.Subscriber, g *gate) work {
	s := newSession(b, "moqt")
	err := s.mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) { writeGroups(w, 30, 16<<10, g) })
	if err != nil {
		b.Fatal(err)
	}
	from := share(s.Session)
	ctx, cancel := context.WithCancel(b.Context())
	read := new(atomic.Int64)
	var readers sync.WaitGroup
	for range manyReaders {
		r, err := from.Subscribe(ctx, "bench", "track", nil)
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() { _ = readTrack(ctx, r, read) })
		context.AfterFunc(ctx, func() { _ = r.Close() })
	}
	return work{read.Load, func() {
		cancel()
		readers.Wait()
		s.end()
	}}
}

// BenchmarkReaders compares ten readers of a track that share a subscription
// with ten that have one each.
func BenchmarkReaders(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	compare(b,
		side{"shared", func(b *testing.B, g *gate) work {
			return readMany(b, func(s api.Session) api.Subscriber { return relay.NewShare(s) }, g)
		}},
		side{"unshared", func(b *testing.B, g *gate) work {
			return readMany(b, func(s api.Session) api.Subscriber { return s }, g)
		}},
	)
}
