//go:build unix

package interop_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPublisherRestarted kills a publisher's process, and starts another half a
// second later. A subscriber behind a relay that stays goes on with the new
// one, long before the relay can notice that the first was killed, and gets one
// RestartError.
func TestPublisherRestarted(t *testing.T) {
	const away = 500 * time.Millisecond
	for _, r := range relays {
		sides := []side{{"moqt", "moq-lite-06"}, {"moqt", "moq-lite-05"}, {"ws", ""}}
		if r.name == "ours" {
			sides = append(sides, side{"moqt", "moq-lite-04"}, side{"moqt", "moq-lite-03"})
		}
		for _, s := range sides {
			t.Run(fmt.Sprintf("%s %v", r.name, s), func(t *testing.T) {
				t.Parallel()
				addr, _ := r.start(t)
				publish := func() *process {
					return moq(t, s.args(addr, "pub", "chaos", "--source", "pattern", "--interval", pace.String(), "--insecure", "--json")...)
				}
				pub := publish()
				sub := moq(t, s.args(addr, "sub", "chaos", track, "--insecure", "--json")...)
				for range 100 {
					sub.expect("sha256")
				}
				pub.signal(syscall.SIGKILL)
				time.Sleep(away)
				publish()
				sub.expect("restart")
				for range 100 {
					sub.expect("sha256")
				}
				sub.signal(syscall.SIGTERM)
				<-sub.exited
				got := sub.numberings(t)
				if len(got) != 2 {
					t.Fatalf("%d numberings, want 2: %v", len(got), got)
				}
				t.Logf("before: %v; after: %v", got[0].outcome, got[1].outcome)
				silence := got[1].first.Sub(got[0].last)
				t.Logf("silent for %v, of which nobody published for %v", silence.Round(time.Millisecond), away)
				if silence > away+3*time.Second {
					t.Errorf("silent for %v", silence)
				}
				for _, n := range got {
					if n.doubled > 0 || n.untold > 0 || n.lost > 0 {
						t.Errorf("%v", n.outcome)
					}
				}
			})
		}
	}
}

// TestRollingRestart restarts two relays of ours, which are connected to each
// other, one after the other. The clients, a publisher at one and a subscriber
// at the other, move to the next instance of each. No group is lost without a
// report, nor comes twice.
func TestRollingRestart(t *testing.T) {
	const groups = 1000
	addrs := []string{freePort(t), freePort(t)}
	start := func(i int) *process {
		args := []string{"relay", "--listen", addrs[i], "--json"}
		if i == 1 {
			args = append(args, "--connect", "http://"+addrs[0])
		}
		relay := moq(t, args...)
		relay.expect("ready")
		return relay
	}
	running := []*process{start(0), start(1)}
	s := &stage{t: t}
	s.pub = moq(t, "pub", "http://"+addrs[0], "chaos", "--source", "pattern", "--groups", fmt.Sprint(groups),
		"--interval", pace.String(), "--json")
	s.sub = moq(t, "sub", "http://"+addrs[1], "chaos", track, "--start", "0", "--json")
	for range 100 {
		s.sub.expect("sha256")
	}
	for i, relay := range running {
		relay.signal(syscall.SIGTERM)
		relay.wait()
		start(i)
		for range 100 {
			s.sub.expect("sha256")
		}
	}
	s.sub.succeed()
	o := s.outcome(groups)
	t.Logf("%v; %s", o, strings.ReplaceAll(strings.TrimSpace(s.sub.errors.String()), "\n", "; "))
	if o.doubled > 0 || o.untold > 0 || o.silence > 10*time.Second {
		t.Errorf("%v", o)
	}
}

// A numbering is what a subscriber has printed of the groups of one publisher.
type numbering struct {
	outcome
	first, last time.Time // frames
}

// numberings returns those that a subscriber, which has ended, has printed.
// Frames of the last group of each may be missing: it was cut off.
func (p *process) numberings(t *testing.T) (all []numbering) {
	t.Helper()
	var n numbering
	frames, lost := make(map[int][]int), make(map[int]bool)
	end := func() {
		for group := range lost {
			frames[group] = append(frames[group], -1)
		}
		groups := make([]int, 0, len(frames))
		for group := range frames {
			groups = append(groups, group)
		}
		slices.Sort(groups)
		for i, group := range groups {
			switch {
			case i > 0 && group != groups[i-1]+1:
				n.untold += group - groups[i-1] - 1
			case lost[group]:
				n.lost++
				continue
			}
			if slices.Equal(frames[group], []int{0, 1}) {
				n.delivered++
			} else if i != len(groups)-1 {
				n.untold++
			}
		}
		all = append(all, n)
		n = numbering{}
		clear(frames)
		clear(lost)
	}
	for i, text := range p.lines {
		var line struct {
			SHA256       string
			Group, Frame int
			Gap          []int
			Restart      bool
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch {
		case line.Restart:
			end()
		case line.Gap != nil:
			for group := line.Gap[0]; group < line.Gap[1]; group++ {
				lost[group] = true
			}
		case line.SHA256 != "":
			if slices.Contains(frames[line.Group], line.Frame) {
				n.doubled++
			}
			frames[line.Group] = append(frames[line.Group], line.Frame)
			if n.first.IsZero() {
				n.first = p.at[i]
			} else {
				n.silence = max(n.silence, p.at[i].Sub(n.last))
			}
			n.last = p.at[i]
		}
	}
	end()
	return all
}
