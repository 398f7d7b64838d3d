package ingest

import (
	"context"
	"math"
	"slices"
	"time"
)

const (
	// surveySpan is how much of each track is looked at before the catalog is
	// published, and surveyTime how long that is waited for: a camera gives no
	// more than it has seen.
	surveySpan = 500 * time.Millisecond
	surveyTime = 500 * time.Millisecond
)

// A survey is the beginning of a source, from which the catalog is completed.
type survey struct {
	packets []*arrival
	tracks  map[int]*surveyed
}

// surveyed is what the beginning shows of one track.
type surveyed struct {
	packets     int
	first, last time.Duration   // decoding times
	steps       []time.Duration // between those of packets that follow each other
}

// takeSurvey waits for the beginning of the source: some of each track, or what
// comes in a short time. An error of the source is left for later, behind the
// packets that came before it.
func takeSurvey(ctx context.Context, q *queue, tracks []int) (*survey, error) {
	s := &survey{tracks: make(map[int]*surveyed)}
	for _, id := range tracks {
		s.tracks[id] = new(surveyed)
	}
	var enough <-chan time.Time
	for !s.isComplete() && q.held.Load() < maxHeld/2 {
		select {
		case a, more := <-q.packets:
			if !more {
				return s, nil
			}
			if enough == nil {
				timer := time.NewTimer(surveyTime)
				defer timer.Stop()
				enough = timer.C
			}
			if err := s.add(a); err != nil {
				return s, err
			}
		case <-enough:
			return s, nil
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
	return s, nil
}

func (s *survey) add(a *arrival) error {
	t := s.tracks[a.Track]
	if t == nil {
		return unknownTrack(a.Track)
	}
	if t.packets == 0 {
		t.first = a.DTS
	} else {
		t.steps = append(t.steps, a.DTS-t.last)
	}
	t.packets++
	t.last = a.DTS
	s.packets = append(s.packets, a)
	return nil
}

func (s *survey) isComplete() bool {
	for _, t := range s.tracks {
		if t.packets < 2 || t.last-t.first < surveySpan {
			return false
		}
	}
	return true
}

// origin is the earliest time of the beginning.
func (s *survey) origin() time.Duration {
	origin := time.Duration(math.MaxInt64)
	for _, a := range s.packets {
		origin = min(origin, a.DTS, a.PTS)
	}
	return origin
}

// framerate returns the number of packets a second, to three decimals; 0 if the
// beginning does not show it. The first step of a file is often a longer one, so
// the median counts.
func (t *surveyed) framerate() float64 {
	if len(t.steps) == 0 {
		return 0
	}
	slices.Sort(t.steps)
	step := t.steps[len(t.steps)/2]
	if step <= 0 {
		return 0
	}
	return math.Round(1000/step.Seconds()) / 1000
}
