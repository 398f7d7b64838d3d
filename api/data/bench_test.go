package data_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
)

// A state is 40 fields in a KiB of JSON.
type state struct {
	Mode, Firmware, Serial, Place, Owner, Task, Route, Plan, Site, Fleet string
	Battery, Current, Voltage, Heading, Speed, X, Y, Z, Roll, Pitch      float64
	Motor                                                                [10]float64
	A, B, C, D, E, F, G, H, I                                            int64
}

func newState() state {
	s := state{Mode: "automatic", Firmware: "4.17.2-rc1+2026-11-02", Serial: "8f14e45fceea167a5a36dedd4bea2543", Place: "hall 7, row 12, shelf 3, third pallet from the left, behind the fire door, facing the loading ramp of gate 4",
		Owner: "logistics", Task: "carry a box from 17 to 42, then wait there for the next one or for an operator to take over by hand", Route: "north by the long corridor, then along the windows and through the airlock to the yard", Plan: "b", Site: "Berlin", Fleet: "forklifts"}
	for i := range s.Motor {
		s.Motor[i] = 20 + float64(i)/7
	}
	s.Battery, s.Current, s.Voltage, s.Heading, s.Speed = 0.8163265306, 12.4897959, 48.122448979, 271.6122448, 1.42857142857
	s.Roll, s.Pitch, s.A, s.B, s.C, s.D = 0.0204081632, -0.014285714, 17_000_000_000, 4_223_112, 991, 17
	return s
}

// change changes three fields, as at 50 Hz.
func (s *state) change() {
	s.X, s.Y = rand.Float64()*100, rand.Float64()*100
	s.A++
}

// A countingSink counts the bytes of what is written, and keeps none.
type countingSink struct {
	api.TrackSink
	n int
}

type countingGroup struct {
	api.GroupWriter
	sink *countingSink
}

func (s *countingSink) OpenGroup(context.Context) (api.GroupWriter, error) {
	return countingGroup{sink: s}, nil
}
func (s *countingSink) Context() context.Context     { return context.Background() }
func (g countingGroup) WriteFrame(f api.Frame) error { g.sink.n += len(f.Payload); return nil }
func (g countingGroup) Close() error                 { return nil }
func (g countingGroup) Cancel(api.StreamErrorCode)   {}

// BenchmarkSet compares writing a state with encoding it alone. B/value is what
// is sent, and ratio how much that is of whole documents.
func BenchmarkSet(b *testing.B) {
	b.Run("json.Marshal", func(b *testing.B) {
		s, n := newState(), 0
		for b.Loop() {
			s.change()
			text, _ := json.Marshal(s)
			n += len(text)
		}
		b.ReportMetric(float64(n)/float64(b.N), "B/value")
	})
	for name, o := range map[string]*data.Options{"patches": nil, "patches, deflate": {Deflate: true}} {
		b.Run(name, func(b *testing.B) {
			s, sink := newState(), &countingSink{}
			w := data.NewSnapshotWriter[*state](sink, o)
			b.ReportAllocs()
			for b.Loop() {
				s.change()
				if err := w.Set(context.Background(), &s); err != nil {
					b.Fatal(err)
				}
			}
			text, _ := json.Marshal(s)
			b.ReportMetric(float64(sink.n)/float64(b.N), "B/value")
			b.ReportMetric(float64(sink.n)/float64(b.N)/float64(len(text)), "ratio")
		})
	}
}

// TestBytesOfAState checks what a minute of a state at 50 Hz costs.
func TestBytesOfAState(t *testing.T) {
	s, sink, whole := newState(), &countingSink{}, 0
	w := data.NewSnapshotWriter[*state](sink, &data.Options{Deflate: true})
	for range 3000 {
		s.change()
		if err := w.Set(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(s)
		whole += len(text)
	}
	if sink.n*100 > whole*15 {
		t.Errorf("%d bytes of %d", sink.n, whole)
	}
}

// TestRecordsAllocate checks that reading a record allocates nothing.
func TestRecordsAllocate(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
		o := &data.Options{Deflate: deflate}
		w := data.NewLogWriter[[2]int](track, o)
		for i := range 5000 {
			if err := w.Append(t.Context(), [2]int{i, i % 10}); err != nil {
				t.Fatal(err)
			}
		}
		frames := track.Groups()[0].Frames()
		read := func(n int) float64 {
			return testing.AllocsPerRun(5, func() {
				r := apitest.Track(api.TrackInfo{}, nil, apitest.Group(0, nil, frames[:n]...))
				for _, err := range data.Records[[2]int](t.Context(), r, o) {
					if err != nil {
						t.Fatal(err)
					}
				}
			})
		}
		if more := (read(5000) - read(1000)) / 4000; more > 0.01 {
			t.Errorf("deflate %v: %.2f allocations a record", deflate, more)
		}
	}
}
