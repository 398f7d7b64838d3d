package walk

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// link04, link05 and link06 return links with a name to a relay.
func link04(name, to string) linkSpec { return linkSpec{name: name, to: to, version: api.Lite04} }
func link05(name, to string) linkSpec { return linkSpec{name: name, to: to, version: api.Lite05} }
func link06(name, to string) linkSpec { return linkSpec{name: name, to: to, version: api.Lite06} }

// far returns a link with a long delay.
func far(l linkSpec) linkSpec {
	l.delay = 150 * time.Millisecond
	return l
}

var (
	// video has many groups, dense groups that overlap, slow few, torn some that
	// its publisher resets, rare few and torn, and state only one.
	video = trackSpec{name: "t", period: 100 * time.Millisecond, frames: 4, size: 100, spread: 0.5}
	slow  = trackSpec{name: "t", period: 2 * time.Second, frames: 4, size: 100, spread: 0.5}
	dense = trackSpec{name: "t", period: 100 * time.Millisecond, frames: 4, size: 100, spread: 2.5}
	torn  = trackSpec{name: "t", period: 100 * time.Millisecond, frames: 4, size: 100, spread: 0.5, breaks: true}
	rare  = trackSpec{name: "t", period: 2 * time.Second, frames: 4, size: 100, breaks: true}
	state = trackSpec{name: "t", period: 300 * time.Millisecond, frames: 1, size: 100, endless: true}

	// A pair of relays, and rings of three and four.
	one  = []relaySpec{{name: "r0"}}
	pair = []relaySpec{{name: "r0"}, {"r1", []linkSpec{link06("r1-r0", "r0")}}}
	ring = append(pair[:2:2], relaySpec{"r2", []linkSpec{link05("r2-r1", "r1"), link05("r2-r0", "r0")}})
	four = []relaySpec{
		{name: "r0"},
		{"r1", []linkSpec{link05("r1-r0", "r0")}},
		{"r2", []linkSpec{link05("r2-r0", "r0")}},
		{"r3", []linkSpec{link05("r3-r2", "r2"), link05("r3-r1", "r1")}},
	}
	loop = []relaySpec{
		{name: "r0"},
		{"r1", []linkSpec{link06("r1-r0", "r0")}},
		{"r2", []linkSpec{link06("r2-r1", "r1"), link05("r2-r0", "r0")}},
		{"r3", []linkSpec{link06("r3-r2", "r2")}},
	}
	chain = append(pair[:2:2], relaySpec{"r2", []linkSpec{link05("r2-r1", "r1")}})
	row   = append(four[:2:2], relaySpec{"r2", []linkSpec{link05("r2-r1", "r1")}})
	twigs = append(one[:1:1],
		relaySpec{"r1", []linkSpec{far(link05("r1-r0", "r0"))}},
		relaySpec{"r2", []linkSpec{far(link05("r2-r0", "r0"))}})
	old = []relaySpec{
		{name: "r0"},
		{"r1", []linkSpec{link04("r1-r0", "r0")}},
		{"r2", []linkSpec{far(link04("r2-r1", "r1"))}},
	}
	deep = []relaySpec{
		{name: "r0"},
		{"r1", []linkSpec{far(link04("r1-r0", "r0"))}},
		{"r2", []linkSpec{link04("r2-r1", "r1")}},
		{"r3", []linkSpec{link04("r3-r2", "r2")}},
	}
)

// seconds returns a time in the script.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// known are worlds in which something was wrong once, reduced as far as
// possible.
var known = []struct {
	name   string
	relays []relaySpec
	track  trackSpec
	events []event
}{
	{"one waits far ahead, another wants the newest", pair, video, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r1"), hop: 1, numbering: 1, lasting: true}},
		{seconds(3), &join{name: "w", link: link06("w", "r0"), track: "t", config: api.SubscribeConfig{StartGroup: farAhead}}},
		{seconds(4), &join{name: "v", link: link06("v", "r0"), track: "t", config: api.SubscribeConfig{StartGroup: api.GroupLatest}}},
	}},
	{"groups are reset while another publisher has their numbers", pair, torn, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r1"), hop: 1, numbering: 1, lasting: true, handler: true}},
		{seconds(3), &join{name: "v", link: link06("v", "r0"), track: "t", lasting: true}},
		{seconds(13), &begin{name: "q", link: link06("q", "r0"), hop: 2, numbering: 2, lasting: true, handler: true}},
	}},
	{"groups are reset in a ring", four, torn, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r1"), hop: 1, numbering: 1, lasting: true, handler: true}},
		{seconds(3.9), &join{name: "v", link: link05("v", "r2"), track: "t", lasting: true, inTurn: true}},
	}},
	{"one waits for a group that is not there yet, in a ring", ring, slow, []event{
		{seconds(2.1), &join{name: "v", link: link05("v", "r0"), track: "t", config: api.SubscribeConfig{StartGroup: 4}}},
		{seconds(2.3), &begin{name: "p", link: link06("p", "r2"), hop: 1, numbering: 1, lasting: true}},
	}},
	{"another publisher begins the one group of a track", chain, state, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r2"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.6), &join{name: "v", link: link05("v", "r0"), track: "t"}},
		{seconds(20), &crash{"p", 0}},
		{seconds(20.1), &begin{name: "q", link: link05("q", "r0"), hop: 2, numbering: 2, lasting: true}},
	}},
	{"a publisher falls silent while another has other numbers", one, video, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.7), &join{name: "v", link: link06("v", "r0"), track: "t", inTurn: true}},
		{seconds(3.1), &crash{"p", 7 * time.Second}},
		{seconds(3.3), &begin{name: "q", link: link05("q", "r0"), hop: 2, numbering: 2, lasting: true}},
	}},
	{"a publisher of the same hop has other numbers", one, slow, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r0"), hop: 1, numbering: 1, lasting: true, handler: true}},
		{seconds(20), &leave{"p", false}},
		{seconds(45), &begin{name: "q", link: link04("q", "r0"), hop: 1, numbering: 2, lasting: true, handler: true}},
		{seconds(46), &join{name: "v", link: link06("v", "r0"), track: "t", lasting: true}},
		{seconds(62), &begin{name: "r", link: link05("r", "r0"), hop: 1, numbering: 1, holes: true, lasting: true, handler: true}},
	}},
	{"a publisher leaves and its link is cut while a relay below has another", pair, state, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.2), &join{name: "v", link: link05("v", "r1"), track: "t"}},
		{seconds(4.1), &begin{name: "q", link: link06("q", "r1"), hop: 2, numbering: 2, lasting: true}},
		{seconds(6.939), &leave{"p", false}},
		{seconds(6.939), &cut{"r1-r0"}},
	}},
	{"one asks while another publisher comes", pair, video, []event{
		{seconds(2), &begin{name: "p", link: far(link05("p", "r1")), hop: 1, numbering: 1, lasting: true}},
		{seconds(3), &join{name: "v", link: link06("v", "r0"), track: "t", lasting: true}},
		{seconds(3.2), &begin{name: "q", link: link06("q", "r0"), hop: 2, numbering: 2, lasting: true}},
		{seconds(19), &leave{"p", false}},
	}},
	{"a publisher goes on at another relay with the next group", pair, state, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r1"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.6), &join{name: "v", link: link06("v", "r0"), track: "t"}},
		{seconds(24), &crash{"p", 17 * time.Millisecond}},
		{seconds(24), &begin{name: "q", link: link05("q", "r0"), hop: 1, numbering: 1, lasting: true}},
	}},
	{"a relay drains while the one group of a track is read", one, state, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.3), &join{name: "v", link: link05("v", "r0"), track: "t", lasting: true}},
		{seconds(2.4), &roll{"r0", 3 * time.Second}},
	}},
	{"two relays ask each other for groups that broke off", chain, dense, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r0"), hop: 1, numbering: 1, holes: true, lasting: true}},
		{seconds(2.2), &join{name: "v", link: link05("v", "r0"), track: "t", lasting: true}},
		{seconds(2.2), &join{name: "w", link: link05("w", "r2"), track: "t", lasting: true}},
		{seconds(20), &leave{"p", false}},
		{seconds(20.5), &begin{name: "q", link: link05("q", "r2"), hop: 1, numbering: 1, holes: true}},
	}},
	{"a publisher begins anew where one waits far ahead", pair, video, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r0"), hop: 1, numbering: 1, holes: true, lasting: true}},
		{seconds(3), &join{name: "v", link: link05("v", "r0"), track: "t"}},
		{seconds(3), &join{name: "w", link: link05("w", "r1"), track: "t", lasting: true, config: api.SubscribeConfig{StartGroup: farAhead}}},
		{seconds(30), &crash{"p", 800 * time.Millisecond}},
		{seconds(30.15), &begin{name: "q", link: link05("q", "r1"), hop: 1, numbering: 2, holes: true, lasting: true}},
	}},
	{"the publisher of the one group of a track is cut off again and again", pair, state, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.4), &join{name: "v", link: link06("v", "r1"), track: "t", lasting: true}},
		{seconds(5), &flap{"p", time.Second, 14 * time.Second}},
	}},
	{"a publisher goes on with the next group above relays that read the one before", row, state, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r2"), hop: 1, numbering: 1}},
		{seconds(2.6), &join{name: "v", link: link06("v", "r0"), track: "t", inTurn: true}},
		{seconds(4), &begin{name: "q", link: far(link05("q", "r0")), hop: 1, numbering: 1, lasting: true}},
	}},
	{"two relays find slow groups missing, and try each other", loop, rare, []event{
		{seconds(2), &begin{name: "p", link: link05("p", "r3"), hop: 1, numbering: 1, lasting: true}},
		{seconds(2.5), &join{name: "v", link: link06("v", "r0"), track: "t", lasting: true, config: api.SubscribeConfig{MaxLatency: -1}}},
		{seconds(6.8), &roll{"r0", 6900 * time.Millisecond}},
	}},
	{"a relay is killed after the one below has renewed its feed in the one group of a track", old, state, []event{
		{seconds(2), &begin{name: "p", link: link04("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(3), &join{name: "v", link: link04("v", "r2"), track: "t", config: api.SubscribeConfig{StartGroup: api.GroupLatest}}},
		{seconds(3.1), &join{name: "w", link: link04("w", "r2"), track: "t", lasting: true}},
		{seconds(20), &kill{"r1", 0, 9 * time.Second}},
	}},
	{"a publisher of the same hop numbers anew, and ends the track at once", pair, video, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r0"), hop: 1, numbering: 1, lasting: true}},
		{seconds(3), &join{name: "v", link: link06("v", "r1"), track: "t", lasting: true}},
		{seconds(30), &crash{"p", 0}},
		{seconds(30.3), &begin{name: "q", link: link05("q", "r0"), hop: 1, numbering: 2, lasting: true}},
		{seconds(30.9), &finale{"q", "t"}},
	}},
	{"the one group of a track is not wanted for a while, and breaks off later", twigs, state, []event{
		{seconds(2), &begin{name: "p", link: link06("p", "r1"), hop: 1, numbering: 1, lasting: true}},
		{seconds(4), &join{name: "v", link: link05("v", "r2"), track: "t", lasting: true, config: api.SubscribeConfig{StartGroup: api.GroupLatest}}},
		{seconds(24), &roll{"r2", 6200 * time.Millisecond}},
		{seconds(40), &kill{"r1", 0, 0}},
	}},
	{"one asks for a group below the first one that came", old, slow, []event{
		{seconds(2), &begin{name: "p", link: link04("p", "r2"), hop: 1, numbering: 1, handler: true, lasting: true}},
		{seconds(4.1), &join{name: "v", link: link04("v", "r2"), track: "t"}},
		{seconds(4.1), &join{name: "w", link: link06("w", "r1"), track: "t", lasting: true, config: api.SubscribeConfig{StartGroup: 1}}},
	}},
	{"the end of a track takes a second for each relay, of which one prefers another publisher", deep, slow, []event{
		{seconds(2), &begin{name: "p", link: far(link04("p", "r3")), hop: 1, numbering: 1, holes: true, handler: true, lasting: true}},
		{seconds(2.5), &join{name: "v", link: link04("v", "r0"), track: "t"}},
		{seconds(4.5), &begin{name: "q", link: far(link04("q", "r1")), hop: 2, numbering: 1, holes: true, handler: true, lasting: true}},
	}},
}

// TestKnownWorlds runs the known worlds.
func TestKnownWorlds(t *testing.T) {
	for _, k := range known {
		t.Run(k.name, func(t *testing.T) {
			w := &world{relays: k.relays, broadcasts: []broadcastSpec{{"cam", []trackSpec{k.track}}}, events: k.events}
			if s := watched(t, w); len(s.faults) > 0 {
				t.Error(s.report())
			}
		})
	}
}
