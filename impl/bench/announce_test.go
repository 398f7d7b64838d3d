//go:build unix

package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

func pathOf(i int) string { return fmt.Sprintf("rooms/%06d/camera", i) }

// A told is what announcing broadcasts cost.
type told struct {
	took time.Duration
	heap int64 // more, at both ends together
}

// bareAnnouncements writes the same number of messages, each with a length and
// a path, to one stream of the bare library; the receiver keeps the paths.
func bareAnnouncements(b *testing.B, scheme string, n int) told {
	client, server, end := plainOf(scheme)(b)
	defer end()
	sent := make(chan error, 1)
	before, _ := held()
	began := time.Now()
	go func() {
		s, err := server.open(b.Context())
		var m []byte
		for i := 0; i < n && err == nil; i++ {
			path := pathOf(i)
			m = append(binary.BigEndian.AppendUint16(m[:0], uint16(len(path))), path...)
			_, err = s.Write(m)
		}
		sent <- err
	}()
	s, err := client.accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	r := bufio.NewReaderSize(s, gathered)
	paths := make(map[string]struct{})
	for range n {
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			b.Fatal(err)
		}
		path := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(r, path); err != nil {
			b.Fatal(err)
		}
		paths[string(path)] = struct{}{}
	}
	took := time.Since(began)
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	after, _ := held()
	runtime.KeepAlive(paths)
	return told{took, after - before}
}

// ourAnnouncements announces what a server has published to a client.
func ourAnnouncements(b *testing.B, scheme string, n int) told {
	s := newSession(b, scheme)
	defer s.end()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	handler := api.TrackHandlerFunc(func(api.TrackWriter) {})
	for i := range n {
		if err := s.mux.Publish(ctx, api.BroadcastPath(pathOf(i)), handler); err != nil {
			b.Fatal(err)
		}
	}
	before, _ := held()
	began := time.Now()
	r, err := s.Announcements(ctx, "")
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for range n {
		if _, err := r.Receive(ctx); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	after, _ := held()
	return told{took, after - before}
}

func BenchmarkAnnouncements(b *testing.B) {
	for _, work := range []struct {
		n      int
		scheme string
	}{{5_000, "moqt"}, {5_000, "https"}, {100_000, "moqt"}, {100_000, "https"}} {
		b.Run(fmt.Sprintf("%d/%s", work.n, work.scheme), func(b *testing.B) {
			metrics, n := make(map[string][]float64), work.n
			for range b.N {
				ours, bare := ourAnnouncements(b, work.scheme, n), bareAnnouncements(b, work.scheme, n)
				metrics["time/plain"] = append(metrics["time/plain"], ours.took.Seconds()/bare.took.Seconds())
				metrics["ns-each"] = append(metrics["ns-each"], float64(ours.took.Nanoseconds())/float64(n))
				metrics["B-each"] = append(metrics["B-each"], float64(ours.heap)/float64(n))
				metrics["plain-B-each"] = append(metrics["plain-B-each"], float64(bare.heap)/float64(n))
			}
			report(b, metrics)
		})
	}
}
