//go:build unix

package bench

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/transport/quicconn"
)

const (
	fanOutSize  = 4 << 10
	fanOutGroup = 30 // frames
	fanOutRate  = 30 // of them a second
)

// An audience is many connections to one server.
type audience struct {
	number int
	pause  time.Duration // between frames; 0 for none
}

// ourFanOut has a track served to sessions. It counts bytes.
func (a audience) ours(b *testing.B) sample {
	broadcast := new(live.Broadcast)
	track := broadcast.Track("track", api.TrackInfo{})
	mux := api.NewTrackMux()
	if err := mux.Publish(b.Context(), "bench", broadcast); err != nil {
		b.Fatal(err)
	}
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: mux, TLSConfig: serverTLS("")}
	addr, err := server.Listen()
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	client := &impl.Client{TLSConfig: clientTLS("")}
	var read atomic.Int64
	var work sync.WaitGroup
	for range a.number {
		s, err := client.Dial(b.Context(), "moqt://"+addr.String(), nil)
		if err != nil {
			b.Fatal(err)
		}
		r, err := s.Subscribe(b.Context(), "bench", "track", nil)
		if err != nil {
			b.Fatal(err)
		}
		work.Go(func() { readTrack(b.Context(), r, &read) })
	}
	ctx, cancel := context.WithCancel(b.Context())
	work.Go(func() { a.publish(ctx, track.Paced()) })
	s := sampled(read.Load)
	cancel()
	_ = client.Close()
	_ = server.Close()
	work.Wait()
	return s
}

func (a audience) publish(ctx context.Context, track api.TrackSink) {
	f := api.Frame{Payload: make([]byte, fanOutSize)}
	for {
		g, err := track.OpenGroup(ctx)
		if err != nil {
			return
		}
		for range fanOutGroup {
			time.Sleep(a.pause)
			if ctx.Err() != nil || g.WriteFrame(f) != nil {
				return
			}
		}
		_ = g.Close()
	}
}

// bare has each frame written to a stream of each connection, and a stream for
// each group.
func (a audience) bare(b *testing.B) sample {
	accepted := make(chan *quic.Conn, a.number)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS("h3"), nil, quicconn.ListenOptions{
		H3: func(c *quic.Conn) error { accepted <- c; <-c.Context().Done(); return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	e := new(quicconn.Endpoint)
	var read atomic.Int64
	var work sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	var feeds []chan []byte
	for range a.number {
		c, err := e.Dial(b.Context(), l.Addr().String(), []string{"h3"}, clientTLS("h3"), nil)
		if err != nil {
			b.Fatal(err)
		}
		work.Go(func() { check(ctx, b, readStreams(ctx, quicConn(c), &read)) })
		feed := make(chan []byte, 1)
		feeds = append(feeds, feed)
		server := <-accepted
		work.Go(func() { check(ctx, b, writeFeed(ctx, server, feed)) })
	}
	work.Go(func() { a.feed(ctx, feeds) })
	s := sampled(read.Load)
	cancel()
	_ = e.Close()
	_ = l.Close()
	work.Wait()
	return s
}

// feed hands frames out.
func (a audience) feed(ctx context.Context, feeds []chan []byte) {
	frame := make([]byte, fanOutSize)
	for {
		time.Sleep(a.pause)
		for _, feed := range feeds {
			select {
			case feed <- frame:
			case <-ctx.Done():
				return
			}
		}
	}
}

func writeFeed(ctx context.Context, c *quic.Conn, feed <-chan []byte) error {
	for {
		s, err := c.OpenUniStreamSync(ctx)
		if err != nil {
			return err
		}
		for range fanOutGroup {
			select {
			case frame := <-feed:
				if _, err := s.Write(frame); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
}

// readTrack counts the bytes of a track.
func readTrack(ctx context.Context, r api.TrackReader, read *atomic.Int64) {
	var f api.Frame
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			return
		}
		for g.ReadFrame(&f) == nil {
			read.Add(int64(len(f.Payload)))
		}
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, a := range []audience{{200, time.Second / fanOutRate}, {50, 0}} {
		b.Run(fmt.Sprintf("%d sessions, a frame every %v", a.number, a.pause), func(b *testing.B) {
			defer debug.SetGCPercent(debug.SetGCPercent(400))
			compare(b, side{"ours", a.ours}, side{"bare", a.bare})
		})
	}
}
