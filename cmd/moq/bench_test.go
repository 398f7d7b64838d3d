package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

func TestBench(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	for _, test := range []struct {
		name, args string
		sent       float64 // 0: more than that
	}{
		{"in this process", "", 50},
		{"a relay", "http://" + addr, 50},
		{"moq-lite-03", "http://" + addr + " --version-only moq-lite-03", 50},
		{"a frame a group", "http://" + addr + " --group-frames 1 --size 8", 50},
		{"flat out", "http://" + addr + " --rate 0 --size 1000 --window 3000", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := "bench --json --duration 1100ms --rate 11.4 --group-frames 3 --sessions 2 --broadcasts 2 --subscriptions 2 "
			c := start(t, "", strings.Fields(args+test.args)...)
			c.wait(exitDone)
			lines := c.lines()
			if len(lines) < 2 || lines[0]["done"] != nil || lines[0]["frames_received"].(float64) <= 0 || lines[0]["seconds"].(float64) < 1 {
				t.Fatalf("%v", lines)
			}
			sum := lines[len(lines)-1]
			sent, latency := sum["frames_sent"].(float64), sum["latency_us"].(map[string]any)
			if sum["done"] != true || sum["subscriptions"] != 8.0 || sum["frames_expected"] != 2*sent || sent <= 0 {
				t.Errorf("%v", sum)
			}
			if test.sent > 0 && (sent < test.sent || sent > test.sent+4) {
				t.Errorf("%v frames sent, want some %v", sent, test.sent)
			}
			if sum["frames_lost"] != 0.0 || sum["groups_lost"] != 0.0 || sum["frames_received"] != 2*sent {
				t.Errorf("lost without a reason: %v", sum)
			}
			if p50, most := latency["p50"].(float64), latency["max"].(float64); p50 <= 0 || p50 > most || most > 5e6 {
				t.Errorf("latency %v", latency)
			}
		})
	}
}

func TestBenchForPeople(t *testing.T) {
	transporttest.NoLeaks(t)
	c := start(t, "", "bench", "--duration", "1200ms", "--broadcasts", "2")
	c.wait(exitDone)
	for _, text := range []string{"1 session × 2 broadcasts × 1 subscription", "120 of 120 received, 0 lost (0 %)", "latency  p50 "} {
		if !strings.Contains(c.out.String(), text) {
			t.Errorf("no %q in\n%s", text, c.out)
		}
	}
	if live := c.err.String(); strings.Count(live, "\n") != 1 || !strings.Contains(live, "  1 s: ") {
		t.Errorf("a line a second is\n%s", live)
	}
}

// TestBenchCountsLoss checks the losses that bench reports with a relay that
// skips groups and halves of groups.
func TestBenchCountsLoss(t *testing.T) {
	transporttest.NoLeaks(t)
	mux := api.NewTrackMux()
	addr := startServer(t, &impl.Server{Mux: mux, Handler: func(s api.Session) {
		announced, err := s.Announcements(s.Context(), "")
		if err != nil {
			return
		}
		for a := range api.Announcements(s.Context(), announced) {
			if a.Status == api.AnnouncementActive {
				_ = mux.PublishFunc(s.Context(), a.Path, func(w api.TrackWriter) { passSome(s, w) })
			}
		}
	}})
	c := start(t, "", "bench", "http://"+addr.String(), "--duration", "1500ms", "--group-frames", "4", "--rate", "160", "--json")
	c.wait(exitDone)
	lines := c.lines()
	sum := lines[len(lines)-1]
	groups := []float64{sum["groups_sent"].(float64), sum["groups_received"].(float64), sum["groups_lost"].(float64)}
	// The frames written to half a group may be lost when the group is reset.
	lost := sum["frames_lost"].(float64)
	frames := lost + sum["frames_received"].(float64)
	if !slices.Equal(groups, []float64{60, 30, 30}) || sum["frames_sent"] != 240.0 || frames != 240 || lost < 90 || lost > 120 {
		t.Errorf("%v", sum)
	}
	if known := lines[0]["groups_lost"].(float64); known < 8 || known > 30 {
		t.Errorf("%v groups are known to be lost after a second", known)
	}
}

// passSome forwards every other group. Of those between, it alternately skips
// one and forwards half of one.
func passSome(s api.Session, w api.TrackWriter) {
	r, err := s.Subscribe(w.Context(), w.Request().Path, w.Request().Name, &api.SubscribeConfig{MaxLatency: declaredMaxAge})
	if err != nil {
		return
	}
	defer r.Close()
	ctx := context.WithoutCancel(w.Context())
	for g := range api.Groups(w.Context(), r) {
		if g.Sequence()%4 == 1 {
			g.Cancel(api.StreamCancelled)
			continue
		}
		out, err := w.OpenGroupAt(ctx, g.Sequence())
		if err != nil {
			return
		}
		if g.Sequence()%4 != 3 {
			_ = api.CopyGroup(out, g)
			continue
		}
		passed := 0
		for f := range api.Frames(ctx, g, nil) {
			if passed++; passed <= 2 {
				_ = out.WriteFrame(*f)
			}
		}
		out.Cancel(api.StreamApplication)
	}
}

// TestInterruptedBench checks that the summary has what was measured until
// then.
func TestInterruptedBench(t *testing.T) {
	transporttest.NoLeaks(t)
	c := start(t, "", "bench", "--duration", "1h", "--json")
	c.out.await(t, "\n")
	c.cancel()
	c.wait(exitDone)
	if lines := c.lines(); lines[len(lines)-1]["done"] != true {
		t.Errorf("%v", lines)
	}
}

func TestBenchFails(t *testing.T) {
	transporttest.NoLeaks(t)
	silent := startServer(t, &impl.Server{Mux: api.NewTrackMux()})
	for _, test := range []struct {
		says   string
		status int
		args   string
	}{
		{"--sessions 0", exitUsage, "--sessions 0"},
		{"--rate -1", exitUsage, "--rate -1"},
		{"--size 7: it must be 8, for the sending time", exitUsage, "--size 7"},
		{"--group-frames 0", exitUsage, "--group-frames 0"},
		{"--duration 0s", exitUsage, "--duration 0"},
		{"--window 0", exitUsage, "--window 0"},
		{"a URL or nothing", exitUsage, "a b"},
		{"nothing listens", exitFailed, "moqt://127.0.0.1:1"},
		{"nobody has announced", exitFailed, "http://" + silent.String() + " --timeout 500ms"},
	} {
		t.Run(test.says, func(t *testing.T) {
			c := start(t, "", append([]string{"bench"}, strings.Fields(test.args)...)...)
			c.wait(test.status)
			if said := c.err.String(); !strings.Contains(said, test.says) || strings.Count(said, "\n") > 1+test.status-exitFailed {
				t.Errorf("says %q, want %q", said, test.says)
			}
			if c.out.String() != "" {
				t.Errorf("prints %s", c.out)
			}
		})
	}
}
