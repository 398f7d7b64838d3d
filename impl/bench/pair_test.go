//go:build unix

package bench

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	warmUp  = 200 * time.Millisecond
	measure = time.Second

	// turns is the number of turns in a measurement whose sides take turns.
	// Each begins with pickUp, in which a side that has rested starts again,
	// and ends when nothing has come for still.
	turns  = 10
	pickUp = 10 * time.Millisecond
	still  = 3 * time.Millisecond
)

// A sample is what one side has done in one measurement.
type sample struct {
	done    float64 // frames, groups, or bytes
	elapsed time.Duration
	cpu     time.Duration
	mallocs uint64
}

func (s sample) rate() float64 { return s.done / s.elapsed.Seconds() }

// cost returns the CPU time for each thing done.
func (s sample) cost() float64 { return s.cpu.Seconds() / s.done }

func (s sample) allocs() float64 { return float64(s.mallocs) / s.done }

// add adds another sample.
func (s *sample) add(more sample) {
	s.done += more.done
	s.elapsed += more.elapsed
	s.cpu += more.cpu
	s.mallocs += more.mallocs
}

// sampled measures a counter for a while.
func sampled(count func() int64) sample {
	time.Sleep(warmUp)
	runtime.GC()
	return sampledFor(measure, count)
}

// sampledFor measures a counter from now on.
func sampledFor(while time.Duration, count func() int64) sample {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu, from := time.Now(), cpuTime(), count()
	time.Sleep(while)
	s := sample{done: float64(count() - from), elapsed: time.Since(began), cpu: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	s.mallocs = after.Mallocs - before.Mallocs
	return s
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A side is one way to do a piece of work.
type side struct {
	name  string
	start func(b *testing.B, g *gate) work
}

// A work is what a side does while its gate is open.
type work struct {
	count func() int64 // what is done
	end   func()
}

// A gate lets the goroutines pass that work, while it is open. It begins shut.
type gate struct {
	mu sync.RWMutex
}

func newGate() *gate {
	g := new(gate)
	g.mu.Lock()
	return g
}

// pass waits until the gate is open.
func (g *gate) pass() {
	g.mu.RLock()
	g.mu.RUnlock()
}

func (g *gate) open() { g.mu.Unlock() }
func (g *gate) shut() { g.mu.Lock() }

// A worker is a side that was started.
type worker struct {
	work
	gate *gate
	done sample
}

// begin starts a side, warms it up, and lets it rest.
func (s side) begin(b *testing.B) *worker {
	w := &worker{gate: newGate()}
	w.work = s.start(b, w.gate)
	w.gate.open()
	time.Sleep(warmUp)
	w.rest()
	return w
}

// rest shuts the gate, and returns when all work that has begun is done.
func (w *worker) rest() {
	w.gate.shut()
	for before := int64(-1); before != w.count(); time.Sleep(still) {
		before = w.count()
	}
}

// turn works for a while.
func (w *worker) turn() {
	w.gate.open()
	time.Sleep(pickUp)
	w.done.add(sampledFor(measure/turns, w.count))
	w.rest()
}

// finish ends the work.
func (w *worker) finish() {
	w.gate.open()
	w.end()
}

// takeTurns lets the sides work in short turns, so that a disturbance of the
// machine that lasts longer affects all of them.
func takeTurns(b *testing.B, sides []side) (samples []sample) {
	var workers []*worker
	for _, s := range sides {
		w := s.begin(b)
		defer w.finish()
		workers = append(workers, w)
	}
	runtime.GC()
	for range turns {
		for _, w := range workers {
			w.turn()
		}
	}
	for _, w := range workers {
		samples = append(samples, w.done)
	}
	return samples
}

// compare runs the sides, the first of which is ours, and reports ours relative
// to each other one.
func compare(b *testing.B, sides ...side) {
	rates, costs := make([][]float64, len(sides)), make([][]float64, len(sides))
	var allocs []float64
	for range b.N {
		samples := takeTurns(b, sides)
		ours := samples[0]
		allocs = append(allocs, ours.allocs())
		rates[0] = append(rates[0], ours.rate())
		for i := 1; i < len(sides); i++ {
			rates[i] = append(rates[i], ours.rate()/samples[i].rate())
			costs[i] = append(costs[i], ours.cost()/samples[i].cost())
		}
	}
	metrics := map[string][]float64{"ours/s": rates[0], "ours-allocs": allocs}
	for i, s := range sides[1:] {
		metrics["rate/"+s.name] = rates[i+1]
		metrics["cpu/"+s.name] = costs[i+1]
	}
	report(b, metrics)
}

// report reports medians, and adds them to the table.
func report(b *testing.B, metrics map[string][]float64) {
	b.ReportMetric(0, "ns/op")
	var cells []string
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		value := median(metrics[name])
		b.ReportMetric(value, name)
		cells = append(cells, fmt.Sprintf("%s %.3g", name, value))
	}
	results.put(strings.TrimPrefix(b.Name(), "Benchmark"), cells)
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
