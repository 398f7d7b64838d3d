//go:build unix

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"runtime"
	"testing"
	"time"
)

// idleSessions is how many a footprint is the mean of.
const idleSessions = 500

// A footprint is what one idle session or connection holds in the heap, and its
// goroutines, whose stacks are beside that; both ends together.
type footprint struct{ Heap, Goroutines float64 }

// idle tells the footprint of one way.
func (t task) idle(_ *bufio.Reader, tell *json.Encoder) error {
	e, err := newEndpoints(context.Background())
	if err != nil {
		return err
	}
	defer e.end()
	dial := func() (any, error) { return e.bare() }
	if t.Way == "ours" {
		dial = func() (any, error) { return e.ours() }
	}
	first, err := dial() // with what all have in common
	if err != nil {
		return err
	}
	all := []any{first}
	heap, goroutines := held()
	for range idleSessions {
		one, err := dial()
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	time.Sleep(settling)
	heapThen, goroutinesThen := held()
	runtime.KeepAlive(all)
	return tell.Encode(footprint{
		float64(heapThen-heap) / idleSessions,
		float64(goroutinesThen-goroutines) / idleSessions,
	})
}

// held is what is in memory, but for large objects, which sessions share: the
// buffers that a socket reads into, and tables of connections.
func held() (heap int64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, class := range m.BySize {
		heap += int64(class.Size) * int64(class.Mallocs-class.Frees)
	}
	return heap, runtime.NumGoroutine()
}

// BenchmarkIdle reports what a session costs more than its connection. Each way
// has a process of its own: goroutines that have ended leave memory to those that
// come later.
func BenchmarkIdle(b *testing.B) {
	metrics := make(map[string][]float64)
	for range b.N {
		ours, plain := idleFootprint(b, "ours"), idleFootprint(b, "plain")
		metrics["more-B"] = append(metrics["more-B"], ours.Heap-plain.Heap)
		metrics["more-goroutines"] = append(metrics["more-goroutines"], ours.Goroutines-plain.Goroutines)
		metrics["plain-B"] = append(metrics["plain-B"], plain.Heap)
	}
	report(b, metrics)
}

func idleFootprint(b *testing.B, way string) (f footprint) {
	p := task{Work: "idle", Way: way}.start(b.Context(), b)
	p.hear(b, &f)
	p.end(b)
	return f
}
