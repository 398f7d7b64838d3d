//go:build unix

package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A journey is the path from clients to our relay and back through a router,
// each in a network namespace of its own. The clients send over one link and
// receive over another, so that the two directions can differ.
type journey struct {
	t             *testing.T
	router, relay *process
}

// relayBeyond is the address of the relay at the end of a journey.
const relayBeyond = "10.9.1.2:4443"

func newJourney(t *testing.T) *journey {
	t.Helper()
	j := &journey{
		t:      t,
		router: start(t, "unshare", "--net", "sleep", "600"),
		relay:  start(t, "unshare", "--net", binary, "relay", "--listen", "0.0.0.0:4443", "--json"),
	}
	awaitNamespace(t, j.router)
	awaitNamespace(t, j.relay)
	j.link(nil, "out", "10.9.0.2", j.router, "near", "10.9.0.1")
	j.link(nil, "back", "10.8.0.2", j.router, "return", "10.8.0.1")
	j.link(j.relay, "there", "10.9.1.2", j.router, "far", "10.9.1.1")
	j.in(nil, "sh", "-c", "echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter")
	j.in(j.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter")
	j.in(nil, "ip", "route", "add", "10.9.1.0/24", "via", "10.9.0.1")
	j.in(j.relay, "ip", "route", "add", "10.9.0.0/24", "via", "10.9.1.1")
	j.in(j.router, "ip", "route", "add", "10.9.0.2/32", "via", "10.8.0.2")
	fingerprintAt(t, relayBeyond)
	return j
}

// in runs a program in the namespace of another one, or in this one.
func (j *journey) in(p *process, args ...string) {
	j.t.Helper()
	if p != nil {
		args = append([]string{"nsenter", "--net", "--target", fmt.Sprint(p.cmd.Process.Pid)}, args...)
	}
	command(j.t, args...)
}

// link connects two namespaces. The link has no offload: in a batch of packets,
// the size of a single one would not be checked.
func (j *journey) link(from *process, dev, addr string, to *process, other, otherAddr string) {
	j.t.Helper()
	j.in(from, "ip", "link", "add", dev, "gso_max_segs", "1", "type", "veth",
		"peer", "name", other, "gso_max_segs", "1", "netns", fmt.Sprint(to.cmd.Process.Pid))
	if from == nil {
		j.t.Cleanup(func() { command(j.t, "ip", "link", "delete", dev) })
	}
	j.in(from, "ip", "address", "add", addr+"/24", "dev", dev)
	j.in(from, "ip", "link", "set", dev, "up")
	j.in(to, "ip", "address", "add", otherAddr+"/24", "dev", other)
	j.in(to, "ip", "link", "set", other, "up")
}

// A shrinkage limits one direction of a journey to packets of 1,280 bytes.
type shrinkage struct {
	name string
	do   func(j *journey)
}

// shrinkages are by a router that reports packets that are too large, and by
// one that drops them silently.
var shrinkages = []shrinkage{
	{"up, told", func(j *journey) {
		j.in(j.router, "ip", "route", "change", "10.9.1.0/24", "dev", "far", "mtu", "lock", "1280")
	}},
	{"up, in silence", func(j *journey) { j.in(j.router, "ip", "link", "set", "near", "mtu", "1280") }},
	{"down, told", func(j *journey) {
		j.in(j.router, "ip", "route", "change", "10.9.0.2/32", "via", "10.8.0.2", "mtu", "lock", "1280")
	}},
	{"down, in silence", func(j *journey) { j.in(nil, "ip", "link", "set", "back", "mtu", "1280") }},
}

// reach runs a program that connects to the relay.
func (j *journey) reach(scheme, verb string, args ...string) *process {
	j.t.Helper()
	return moq(j.t, slices.Concat([]string{verb, scheme + "://" + relayBeyond, "--json", "--insecure"}, args)...)
}

// TestSmallPaths tests sessions over a path of 1,280 bytes.
func TestSmallPaths(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, told := range []string{"told", "in silence"} {
		t.Run(told, func(t *testing.T) {
			j := newJourney(t)
			for _, s := range shrinkages {
				if strings.HasSuffix(s.name, told) {
					s.do(j)
				}
			}
			for scheme, transport := range map[string]string{"moqt": "quic", "https": "webtransport"} {
				p := j.reach(scheme, "probe")
				if got := p.expect("transport")["transport"]; got != transport {
					t.Errorf("%s:// comes over %v", scheme, got)
				}
				p.succeed()
			}
		})
	}
}

// TestTooSmallPath tests the error on a path that is too small for QUIC.
func TestTooSmallPath(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	j := newJourney(t)
	j.in(j.router, "ip", "route", "change", "10.9.1.0/24", "dev", "far", "mtu", "lock", "1200")
	p := j.reach("moqt", "probe")
	if p.wait() == 0 || !strings.Contains(p.said(), "the path carries no UDP payloads of 1200 bytes") {
		t.Errorf("it says %s", p.said())
	}
	p = j.reach("https", "probe")
	if got := p.expect("transport")["transport"]; got != "websocket" {
		t.Errorf("https:// comes over %v", got)
	}
	p.succeed()
}

// TestShrinkingPaths makes the path smaller while a publisher and a subscriber
// have sessions over it, both with large packets. Every group is delivered or
// reported as lost, after a silence of seconds.
func TestShrinkingPaths(t *testing.T) {
	for _, scheme := range []string{"moqt", "https"} {
		for _, shrink := range shrinkages {
			t.Run(scheme+", "+shrink.name, func(t *testing.T) {
				t.Parallel()
				if !inNamespace(t) {
					return
				}
				j := newJourney(t)
				const groups = 150
				s := &stage{t: t, relay: j.relay}
				s.pub = j.reach(scheme, "pub", "chaos", "--source", "pattern", "--groups", fmt.Sprint(groups),
					"--size", "5000", "--interval", pace.String())
				s.sub = j.reach(scheme, "sub", "chaos", "data", "--start", "0")
				for range 50 {
					s.sub.expect("sha256")
				}
				shrink.do(j)
				s.sub.succeed()
				o := s.outcome(groups)
				t.Logf("%v; the publisher says %q, the subscriber %q", o, s.pub.errors.String(), s.sub.errors.String())
				if o.doubled > 0 || o.untold > 0 || o.lost > 5 || o.silence > 9*time.Second {
					t.Errorf("%v; at most 5 may be lost, and the silence last 9s", o)
				}
				s.pub.succeed()
			})
		}
	}
}
