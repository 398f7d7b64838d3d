package probe

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

var version = message.VersionByName(string(api.Lite06))

// path is a connection of which only the measurements are asked for.
type path struct {
	transport.Conn
	mu    sync.Mutex
	stats transport.Stats
}

// set makes the path carry a number of bits in a round trip of 10 ms.
func (p *path) set(bits uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats = transport.Stats{RTT: 10 * time.Millisecond, CongestionWindow: bits / 8}
}

func (p *path) Stats() transport.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// between runs a test with a Reader at one end of a Probe stream, and a function that
// serves the other end.
func between(t *testing.T, f func(t *testing.T, r *Reader, serve func(context.Context, *path))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		asking, err := control.Open(t.Context(), client, version, message.StreamProbe, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := server.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		asked := control.New(raw, version)
		if kind, err := asked.ReadType(); err != nil || message.StreamType(kind) != message.StreamProbe {
			t.Fatalf("asked for %d, %v", kind, err)
		}
		var tasks sync.WaitGroup
		r := NewReader(asking, func(err error) error { return errors.Join(errEnd, err) })
		tasks.Go(r.Run)
		f(t, r, func(ctx context.Context, p *path) { tasks.Go(func() { Serve(ctx, asked, p) }) })
		_ = client.CloseWithError(0, "")
		tasks.Wait()
	})
}

var errEnd = errors.New("translated")

// A report comes at once, when the estimate has changed by a quarter, and every maxAge.
func TestServe(t *testing.T) {
	between(t, func(t *testing.T, r *Reader, serve func(context.Context, *path)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var p path
		p.set(80_000)
		begin := time.Now()
		serve(ctx, &p)
		for _, want := range []struct {
			bits  uint64 // of the path, from now on
			after time.Duration
			rate  uint64
		}{
			{80_000, 0, 8_000_000},
			{100_000, maxAge, 10_000_000}, // a fifth more is told late
			{200_000, maxAge + interval, 20_000_000},
		} {
			p.set(want.bits)
			got, err := r.Receive(t.Context())
			if at := time.Since(begin); err != nil || got.BitsPerSecond != want.rate || got.RTT != 10*time.Millisecond || at != want.after {
				t.Fatalf("after %v: %+v, %v; want %d after %v", at, got, err, want.rate, want.after)
			}
		}
	})
}

// A Reader keeps the newest report only, and returns it before the error of the stream.
func TestReaderKeepsTheNewest(t *testing.T) {
	between(t, func(t *testing.T, r *Reader, serve func(context.Context, *path)) {
		ctx, cancel := context.WithCancel(t.Context())
		var p path
		p.set(80_000)
		serve(ctx, &p)
		time.Sleep(time.Second)
		p.set(800_000)
		time.Sleep(time.Second)
		cancel()
		r.stream.CancelRead(0)
		synctest.Wait()
		if got, err := r.Receive(t.Context()); err != nil || got.BitsPerSecond != 80_000_000 {
			t.Errorf("received %+v, %v", got, err)
		}
		for range 2 {
			if got, err := r.Receive(t.Context()); !errors.Is(err, errEnd) {
				t.Errorf("received %+v, %v after the end", got, err)
			}
		}
	})
}

// After Close nothing is received any more, not even a report that has come before.
func TestReaderClose(t *testing.T) {
	between(t, func(t *testing.T, r *Reader, serve func(context.Context, *path)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var p path
		p.set(80_000)
		serve(ctx, &p)
		time.Sleep(time.Second)
		_ = r.Close()
		if got, err := r.Receive(t.Context()); !errors.Is(err, api.ErrClosed) {
			t.Errorf("received %+v, %v", got, err)
		}
	})
}

// Small changes and rounding are not told as changes; unknown values are told as such.
func TestRoundTrip(t *testing.T) {
	for d, want := range map[time.Duration]uint64{-1: 0, 0: 0, 1: 1, time.Millisecond: 1, 2500 * time.Microsecond: 2} {
		if got := roundTrip(d); got != want {
			t.Errorf("%v is sent as %d, want %d", d, got, want)
		}
	}
	if e := Estimate(transport.Stats{CongestionWindow: 1000}); e != (api.Bitrate{}) {
		t.Errorf("without a round-trip time the estimate is %+v", e)
	}
}
