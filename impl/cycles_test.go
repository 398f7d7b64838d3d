package impl_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport/tlspin"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// cycles returns the number of rounds of TestCycles: MOQ_CYCLES, or
// usualCycles.
func cycles(t *testing.T) int {
	n := usualCycles
	if asked := os.Getenv("MOQ_CYCLES"); asked != "" {
		var err error
		if n, err = strconv.Atoi(asked); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestCycles dials, subscribes, reads and shuts down again and again:
// everything that a client or its session uses is released, at the client and
// at the server.
func TestCycles(t *testing.T) {
	for _, scheme := range []string{"memory", "moqt", "https", "wss", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			transporttest.NoLeaks(t)
			mux := api.NewTrackMux()
			if err := mux.PublishFunc(t.Context(), "room", writeThree); err != nil {
				t.Fatal(err)
			}
			server := moqtest.NewUnstartedServer(mux)
			if scheme == "memory" {
				server.Start()
			} else {
				server.StartSockets()
			}
			defer server.Close()
			goAround(t, server, scheme, atOnce)
			before := take()
			n := cycles(t)
			goAround(t, server, scheme, n)
			after := take()
			for end := time.Now().Add(10 * time.Second); after.above(before) && time.Now().Before(end); after = take() {
				time.Sleep(50 * time.Millisecond)
			}
			t.Logf("before %+v, after %d cycles %+v", before, n, after)
			if after.above(before) {
				t.Errorf("%d cycles took what %+v is more than %+v", n, after, before)
			}
		})
	}
}

// atOnce is how many clients run at a time. They mostly wait.
const atOnce = 10

// goAround runs n clients.
func goAround(t *testing.T, server *moqtest.Server, scheme string, n int) {
	t.Helper()
	var living sync.WaitGroup
	var begun atomic.Int64
	for range atOnce {
		living.Go(func() {
			for begun.Add(1) <= int64(n) {
				if err := cycle(t.Context(), server, scheme); err != nil {
					t.Error(err)
				}
			}
		})
	}
	living.Wait()
}

func writeThree(w api.TrackWriter) {
	for range 3 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: make([]byte, 10_000)})
		_ = g.Close()
	}
}

// cycle is the life of one client.
func cycle(ctx context.Context, server *moqtest.Server, scheme string) error {
	client, url := &impl.Client{Transport: server.Network}, server.URL
	if scheme != "memory" {
		client = &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(server.Certificate))}
		url = scheme + strings.TrimPrefix(url, "moqt")
	}
	defer client.Close()
	s, err := client.Dial(ctx, url, api.NewTrackMux())
	if err != nil {
		return err
	}
	track, err := s.Subscribe(ctx, "room", "video", nil)
	if err != nil {
		return err
	}
	read := 0
	for g, err := range api.Groups(ctx, track) {
		if err != nil {
			return err
		}
		var f api.Frame
		for err == nil {
			err = g.ReadFrame(&f)
		}
		if err != io.EOF {
			return err
		}
		read++
	}
	if read != 3 {
		return fmt.Errorf("read %d groups", read)
	}
	_ = track.Close()
	return client.Shutdown(ctx)
}

// A taken says what resources the process uses.
type taken struct {
	goroutines, files int
	heap              uint64 // bytes
}

func take() taken {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // where there is none, they are not counted
	return taken{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// above tells whether t is more than before, apart from what a runtime varies.
func (t taken) above(before taken) bool {
	return t.goroutines > before.goroutines+2 || t.files > before.files+1 || t.heap > before.heap+1<<20
}
