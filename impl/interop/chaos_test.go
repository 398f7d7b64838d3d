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

// A stage is a publisher and a subscriber, both ours, that connect to moq-relay
// through a middlebox.
type stage struct {
	t        *testing.T
	box      *middlebox
	addr     string // of the relay
	relay    *process
	pub, sub *process
}

// pace is the pause between groups.
const pace = 20 * time.Millisecond

// A badDay is what happens to a stage while it plays, and how much of that its
// subscriber may notice.
type badDay struct {
	name    string
	args    []string // of moq-relay
	groups  int
	spoil   func(s *stage)
	lost    int           // most groups that may be lost
	silence time.Duration // longest time without a group
}

// TestChaos checks that every group is delivered or reported as lost, that none
// comes twice, and that the rest comes soon, whatever happens in between.
func TestChaos(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, day := range []badDay{
		{
			name: "nothing happens", groups: 200,
			spoil:   func(*stage) {},
			silence: time.Second,
		},
		{
			name: "the relay is killed, and restarted after a second", groups: 1000,
			spoil: func(s *stage) {
				s.relay.signal(syscall.SIGKILL)
				time.Sleep(time.Second)
				s.relay = moqRelayAt(s.t, s.addr)
			},
			lost: 2, silence: 20 * time.Second,
		},
		{
			name: "UDP stops", groups: 1000,
			spoil: func(s *stage) {
				s.box.noUDP.Store(true)
				began := time.Now()
				moq(s.t, "ls", "http://"+s.box.addr).succeed()
				if took := time.Since(began); took > 2*time.Second {
					s.t.Errorf("who dials now is told after %v", took)
				}
			},
			lost: 2, silence: 30 * time.Second,
		},
		{
			name: "5 % of packets get lost", groups: 400,
			spoil:   func(s *stage) { s.box.loss.Store(5) },
			silence: time.Second,
		},
		{
			name: "20 % of packets get lost", groups: 400,
			spoil:   func(s *stage) { s.box.loss.Store(20) },
			silence: 5 * time.Second,
		},
		{
			name: "nothing passes for 10 s", groups: 1000,
			spoil: func(s *stage) {
				s.box.silent.Store(true)
				time.Sleep(10 * time.Second)
				s.box.silent.Store(false)
			},
			lost: 2, silence: 25 * time.Second,
		},
		{
			name: "the clients' addresses change", groups: 400,
			spoil:   func(s *stage) { s.box.rebind("127.0.0.3") },
			silence: 5 * time.Second,
		},
		{
			name: "the relay drains, and there is another behind its name", groups: 600,
			args: []string{"--drain-timeout", "3s"},
			spoil: func(s *stage) {
				another, _ := moqRelay(s.t)
				s.box.backend.Store(&another)
				s.relay.signal(syscall.SIGTERM)
			},
			silence: time.Second,
		},
	} {
		t.Run(day.name, func(t *testing.T) {
			t.Parallel()
			day.play(t)
		})
	}
}

func (day badDay) play(t *testing.T) {
	s := &stage{t: t}
	s.addr, s.relay = moqRelay(t, day.args...)
	s.box = newMiddlebox(t, s.addr)
	day.playAt(s, s.box.addr)
}

// playAt plays a stage at an address that leads to its relay.
func (day badDay) playAt(s *stage, addr string) {
	url := "http://" + addr
	s.pub = moq(s.t, "pub", url, "chaos", "--source", "pattern", "--groups", fmt.Sprint(day.groups),
		"--interval", pace.String(), "--json")
	s.sub = moq(s.t, "sub", url, "chaos", "data", "--start", "0", "--json")
	for range 50 {
		s.sub.expect("sha256")
	}
	day.spoil(s)
	s.sub.succeed()
	o := s.outcome(day.groups)
	s.t.Logf("%v; %s", o, strings.ReplaceAll(strings.TrimSpace(s.sub.errors.String()), "\n", "; "))
	if o.doubled > 0 || o.untold > 0 || o.lost > day.lost || o.silence > day.silence {
		s.t.Errorf("%v; at most %d may be lost, and the silence last %v", o, day.lost, day.silence)
	}
	s.pub.succeed()
}

// TestAddressChanges removes the clients' address, and gives them another one a
// second later: their sessions must go on.
func TestAddressChanges(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stage{t: t, addr: "10.9.0.1:4443"}
	s.relay = start(t, "unshare", append([]string{"--net", need(t, "moq-relay", getRelay, relayBinaries()...)},
		relayArgs("0.0.0.0:4443")...)...)
	there := []string{"nsenter", "--net", "--target", fmt.Sprint(s.relay.cmd.Process.Pid), "ip"}
	awaitNamespace(t, s.relay)
	ip := func(in []string, args ...string) { command(t, append(slices.Clip(in), args...)...) }
	here := []string{"ip"}
	ip(here, "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", fmt.Sprint(s.relay.cmd.Process.Pid))
	ip(there, "address", "add", "10.9.0.1/24", "dev", "there")
	ip(there, "link", "set", "there", "up")
	ip(here, "address", "add", "10.9.0.2/24", "dev", "here")
	ip(here, "link", "set", "here", "up")
	fingerprintAt(t, s.addr)
	badDay{
		groups: 400,
		spoil: func(*stage) {
			ip(here, "address", "del", "10.9.0.2/24", "dev", "here")
			time.Sleep(time.Second)
			ip(here, "address", "add", "10.9.0.3/24", "dev", "here")
		},
		silence: 4 * time.Second,
	}.playAt(s, s.addr)
	if said := s.sub.errors.String(); said != "" {
		t.Errorf("the session did not go on: %s", said)
	}
}

// An outcome is what a subscriber got.
type outcome struct {
	delivered, lost, doubled int
	untold                   int // neither delivered nor told to be lost
	silence                  time.Duration
}

func (o outcome) String() string {
	return fmt.Sprintf("%d groups delivered, %d lost, %d twice, %d without a word; longest silence %v",
		o.delivered, o.lost, o.doubled, o.untold, o.silence.Round(time.Millisecond))
}

// outcome returns what the subscriber, which has ended, has printed of a number
// of groups.
func (s *stage) outcome(groups int) outcome {
	frames, lost := make([][]int, groups), make([]bool, groups)
	var o outcome
	var last time.Time
	for i, text := range s.sub.lines {
		var line struct {
			SHA256       string
			Group, Frame int
			Gap          []int
		}
		if err := json.Unmarshal(text, &line); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
		if line.Gap != nil {
			for n := line.Gap[0]; n < line.Gap[1]; n++ {
				lost[n] = true
			}
			continue
		}
		if line.SHA256 == "" {
			s.t.Errorf("it says %s", text)
			continue
		}
		if !last.IsZero() {
			o.silence = max(o.silence, s.sub.at[i].Sub(last))
		}
		last = s.sub.at[i]
		if slices.Contains(frames[line.Group], line.Frame) {
			o.doubled++
		}
		frames[line.Group] = append(frames[line.Group], line.Frame)
	}
	for n := range frames {
		switch {
		case slices.Equal(frames[n], []int{0, 1}):
			o.delivered++
		case lost[n]:
			o.lost++
		default:
			o.untold++
		}
	}
	return o
}
