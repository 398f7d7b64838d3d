//go:build unix

package bench

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	warmUp  = 200 * time.Millisecond
	measure = time.Second
)

// A sample is what one side has done in a while.
type sample struct {
	done    float64 // frames, groups, or bytes
	elapsed time.Duration
	cpu     time.Duration
	mallocs uint64
}

func (s sample) rate() float64 { return s.done / s.elapsed.Seconds() }

// cost is CPU time for each thing done.
func (s sample) cost() float64 { return s.cpu.Seconds() / s.done }

func (s sample) allocs() float64 { return float64(s.mallocs) / s.done }

// sampled lets a counter run for a while.
func sampled(count func() int64) sample {
	time.Sleep(warmUp)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu, from := time.Now(), cpuTime(), count()
	time.Sleep(measure)
	s := sample{done: float64(count() - from), elapsed: time.Since(began), cpu: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	s.mallocs = after.Mallocs - before.Mallocs
	return s
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A side is one way to do a piece of work.
type side struct {
	name string
	run  func(b *testing.B) sample
}

// compare runs the sides in turn, the first of which is ours, and reports ours
// over each other.
func compare(b *testing.B, sides ...side) {
	rates, costs := make([][]float64, len(sides)), make([][]float64, len(sides))
	var allocs []float64
	for range b.N {
		var ours sample
		for i, s := range sides {
			sample := s.run(b)
			if i == 0 {
				ours = sample
				allocs = append(allocs, ours.allocs())
				rates[i] = append(rates[i], ours.rate())
				continue
			}
			rates[i] = append(rates[i], ours.rate()/sample.rate())
			costs[i] = append(costs[i], ours.cost()/sample.cost())
		}
	}
	metrics := map[string][]float64{"ours/s": rates[0], "ours-allocs": allocs}
	for i, s := range sides[1:] {
		metrics["rate/"+s.name] = rates[i+1]
		metrics["cpu/"+s.name] = costs[i+1]
	}
	report(b, metrics)
}

// report reports medians, and puts them into the table.
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
