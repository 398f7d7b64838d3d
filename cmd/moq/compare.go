package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// A change is how one figure differs between two results.
type change struct {
	What    string   `json:"what"`
	Before  int64    `json:"before"`
	Now     int64    `json:"now"`
	Percent *float64 `json:"percent,omitempty"` // is not there where it was 0 before
}

// readSummary reads a result of bench: a file of --output, or what --json
// printed, of which the result is the last line. It returns nil without a file.
func readSummary(file string) (*summary, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	s := new(summary)
	if err := json.Unmarshal(lines[len(lines)-1], s); err != nil || !s.Done {
		return nil, fmt.Errorf("--compare %s: this is no result of moq bench --output or --json", file)
	}
	return s, nil
}

// changes returns how now differs from s.
func (s *summary) changes(now *summary) []change {
	all := []change{
		{What: "frames_per_second", Before: s.FrameRate, Now: now.FrameRate},
		{What: "bits_per_second", Before: s.Bitrate, Now: now.Bitrate},
		{What: "frames_lost", Before: s.Lost, Now: now.Lost},
	}
	for _, p := range []string{"p50", "p90", "p99", "max"} {
		all = append(all, change{What: "latency_us " + p, Before: s.Latency[p], Now: now.Latency[p]})
	}
	for i := range all {
		if c := &all[i]; c.Before != 0 {
			percent := 100 * float64(c.Now-c.Before) / float64(c.Before)
			c.Percent = &percent
		}
	}
	return all
}

// changesText formats the changes for people. It says which settings differ,
// since then the figures say little.
func (s *summary) changesText(now *summary) string {
	var b strings.Builder
	if was, is := s.load(), now.load(); was != is {
		fmt.Fprintf(&b, "the loads differ: %s before, %s now\n", was, is)
	}
	fmt.Fprintf(&b, "%-20s %12s %12s\n", "", "before", "now")
	for _, c := range s.changes(now) {
		fmt.Fprintf(&b, "%-20s %12d %12d", c.What, c.Before, c.Now)
		if c.Percent != nil {
			fmt.Fprintf(&b, "  %+.1f %%", *c.Percent)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// load describes what was measured.
func (s *summary) load() string {
	return fmt.Sprintf("%s over %s, %s, %s, %s, %v frames/s of %d bytes, %d a group", s.Version, s.Transport,
		count(int64(s.Sessions), "session"), count(int64(s.Broadcasts), "broadcast"), count(int64(s.Subscriptions), "subscription"),
		s.Rate, s.Size, s.GroupFrames)
}
