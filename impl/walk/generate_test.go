package walk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// What the generator does not do yet: datagrams, frame bounds, EndGroup, GOAWAY to another place,
// publishers that skip numbers while they run.

// A generator makes a world. It remembers which publishers and viewers are
// there, so that its events can happen.
type generator struct {
	*rand.Rand
	world      *world
	now        time.Duration
	versions   []api.Version
	slowLinks  bool
	publishers []*begin // alive
	left       []*begin // not alive
	viewers    []*join
	numberings int
	lived      map[*begin]time.Duration
	over       map[int]bool // numberings of which a track has ended
	names      map[string]int
}

// generate makes the world of a seed: a third of them are as small as possible,
// a third are large.
func generate(seed uint64) *world {
	g := &generator{
		Rand:  rand.New(rand.NewPCG(seed, seed)),
		world: &world{seed: seed},
		now:   2 * time.Second, // the relays have found each other
		lived: make(map[*begin]time.Duration),
		over:  make(map[int]bool),
		names: make(map[string]int),
	}
	size := g.IntN(3)
	g.world.quic = size < 2 && g.chance(0.1)
	g.pickVersions()
	g.slowLinks = g.chance(0.7)
	g.makeRelays(1 + g.IntN(1+size*2))
	g.makeBroadcasts(1 + g.IntN(1+size/2+size%2))
	for i := range g.world.broadcasts {
		g.begin(g.fresh(i))
	}
	g.now += g.upTo(2 * time.Second)
	for range 1 + g.IntN(1+size*2) {
		g.join()
	}
	if g.chance(0.3) {
		g.follow()
	}
	for range 1 + g.IntN(1+size*4) {
		g.now += g.pause()
		g.something()
	}
	return g.world
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func (g *generator) upTo(d time.Duration) time.Duration {
	return time.Duration(g.Int64N(int64(d))).Truncate(time.Millisecond)
}

func (g *generator) name(letter string) string {
	g.names[letter]++
	return fmt.Sprint(letter, g.names[letter])
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) add(s step) { g.world.events = append(g.world.events, event{g.now, s}) }

// pause returns the time between two events: none, little, or until all must
// have recovered.
func (g *generator) pause() time.Duration {
	return g.upTo(pick(g, time.Millisecond, 300*time.Millisecond, 3*time.Second, 10*time.Second, 30*time.Second))
}

// pickVersions chooses whether a world speaks the versions that report gaps, a
// single one, or any.
func (g *generator) pickVersions() {
	switch g.IntN(4) {
	case 0, 1:
		g.versions = []api.Version{api.Lite05, api.Lite06}
	case 2:
		g.versions = api.Versions()
	default:
		g.versions = []api.Version{pick(g, api.Versions()...)}
	}
}

func (g *generator) link(name, to string) linkSpec {
	l := linkSpec{name: name, to: to, version: pick(g, g.versions...)}
	if g.slowLinks {
		l.delay = pick(g, 0, time.Millisecond, 10*time.Millisecond, 50*time.Millisecond, 150*time.Millisecond)
	}
	if g.world.quic && g.chance(0.5) {
		l.quic, l.delay = true, max(l.delay, time.Millisecond)
		l.loss = min(pick(g, 0, 0, 0.01, 0.05), mostLoss(l.delay))
	}
	return l
}

// mostLoss returns the loss at which a connection still carries 100 kB/s, about
// what the tracks of a world need (Mathis et al.: rate = 1.22 * packet / (rtt *
// sqrt(loss))). With more, what is missing may still come after half a minute.
func mostLoss(delay time.Duration) float64 {
	const packet, rate = 1200, 100_000
	root := 1.22 * packet / (2 * delay.Seconds() * rate)
	return root * root
}

func (g *generator) makeRelays(n int) {
	for i := range n {
		r := relaySpec{name: fmt.Sprint("r", i)}
		first := -1
		if i > 0 {
			first = g.IntN(i)
			r.up = append(r.up, g.link(fmt.Sprintf("%s-r%d", r.name, first), fmt.Sprint("r", first)))
		}
		if second := g.IntN(i + 1); second < i && second != first && g.chance(0.5) {
			r.up = append(r.up, g.link(fmt.Sprintf("%s-r%d", r.name, second), fmt.Sprint("r", second)))
		}
		g.world.relays = append(g.world.relays, r)
	}
}

func (g *generator) relay() string { return pick(g, g.world.relays...).name }

func (g *generator) makeBroadcasts(n int) {
	for i := range n {
		b := broadcastSpec{path: pick(g, api.BroadcastPath("cam"), "room/a", "room/b/deep") + api.BroadcastPath(fmt.Sprint(i))}
		for j := range 1 + g.IntN(2) {
			t := trackSpec{
				name:   api.TrackName(fmt.Sprint("t", j)),
				period: pick(g, 100*time.Millisecond, 300*time.Millisecond, time.Second, 2*time.Second),
				frames: 1 + g.IntN(5), size: pick(g, 1, 100, 3000), spread: pick(g, 0, 0.5, 0.9, 2.5),
			}
			t.breaks = g.chance(0.1)
			if g.chance(0.2) {
				t.endless, t.period = true, max(t.period, 300*time.Millisecond)
			}
			b.tracks = append(b.tracks, t)
		}
		g.world.broadcasts = append(g.world.broadcasts, b)
	}
}

func (g *generator) endless(broadcast int) bool {
	return slices.ContainsFunc(g.world.broadcasts[broadcast].tracks, func(t trackSpec) bool { return t.endless })
}

// fresh returns a publisher with a numbering and an identity of its own.
func (g *generator) fresh(broadcast int) *begin {
	g.numberings++
	return &begin{
		hop: api.Hop(g.numberings), broadcast: broadcast, numbering: g.numberings,
		holes: true, handler: !g.endless(broadcast) && g.chance(0.3), lasting: g.chance(0.7),
	}
}

func (g *generator) begin(b *begin) {
	b.name = g.name("p")
	b.link = g.link(b.name, g.relay())
	g.publishers = append(g.publishers, b)
	g.lived[b] = -g.now
	g.add(b)
}

func (g *generator) join() {
	b := g.IntN(len(g.world.broadcasts))
	track := pick(g, g.world.broadcasts[b].tracks...)
	j := &join{
		name: g.name("v"), broadcast: b, track: track.name,
		lasting: g.chance(0.6), inTurn: g.chance(0.2),
		config: api.SubscribeConfig{
			StartGroup: pick(g, 0, 0, 0, 0, api.GroupLatest, api.GroupLatest, 1+api.GroupSequence(g.IntN(5)), farAhead),
			MaxLatency: pick(g, 0, 0, -1, 500*time.Millisecond, 2*time.Second, 30*time.Second),
			Priority:   api.Priority(g.IntN(3) - 1),
		},
		pace: pick(g, 0, 0, 0, 50*time.Millisecond, 400*time.Millisecond),
	}
	if j.config.StartGroup < 10 && track.endless {
		j.config.StartGroup = 0 // there is no other
	}
	j.link = g.link(j.name, g.relay())
	g.viewers = append(g.viewers, j)
	g.add(j)
}
