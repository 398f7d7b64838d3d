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

// idleSessions is the number of sessions over which a footprint is averaged.
const idleSessions = 500

// A footprint is what one idle session or connection holds in the heap, and its
// number of goroutines, whose stacks are not in the heap; both ends together.
type footprint struct{ Heap, Goroutines float64 }

// idle prints the footprint of one way.
func (t task) idle(_ *bufio.Reader, tell *json.Encoder) error {
	d, err := dialers[t.Way][t.Scheme](context.Background())
	if err != nil {
		return err
	}
	defer d.end()
	if _, err := d.dial(); err != nil { // allocates what all dials share
		return err
	}
	heap, goroutines := held()
	for range idleSessions {
		if _, err := d.dial(); err != nil {
			return err
		}
	}
	time.Sleep(settling)
	heapThen, goroutinesThen := held()
	return tell.Encode(footprint{
		float64(heapThen-heap) / idleSessions,
		float64(goroutinesThen-goroutines) / idleSessions,
	})
}

// held returns the memory in use, except large objects, which sessions share:
// the buffers that a socket reads into, and tables of connections.
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

// BenchmarkIdle reports what a session costs in addition to its connection.
// Each way has a process of its own, since goroutines that have ended leave
// memory to later ones.
func BenchmarkIdle(b *testing.B) {
	for _, scheme := range []string{"moqt", "https"} {
		b.Run(scheme, func(b *testing.B) {
			metrics := make(map[string][]float64)
			for range b.N {
				ours, plain := idleFootprint(b, "ours", scheme), idleFootprint(b, "plain", scheme)
				metrics["more-B"] = append(metrics["more-B"], ours.Heap-plain.Heap)
				metrics["more-goroutines"] = append(metrics["more-goroutines"], ours.Goroutines-plain.Goroutines)
				metrics["plain-B"] = append(metrics["plain-B"], plain.Heap)
			}
			report(b, metrics)
		})
	}
}

func idleFootprint(b *testing.B, way, scheme string) (f footprint) {
	p := task{Work: "idle", Way: way, Scheme: scheme}.start(b.Context(), b)
	p.hear(b, &f)
	p.end(b)
	return f
}
