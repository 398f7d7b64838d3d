package walk

import (
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// something adds one more event.
func (g *generator) something() {
	pick(g,
		g.join, g.part, g.follow, g.retune, g.fetch, g.calm, g.finale,
		g.cut, g.cut, g.freeze, g.freeze, g.reset, g.leaving, g.flap,
		g.kill, g.roll,
		g.crash, g.crash, g.replace, g.standby, g.leave, g.reroute,
		g.comeBack, g.comeBack,
	)()
}

func (g *generator) follow() {
	f := &follow{name: g.name("f"), lasting: g.chance(0.5)}
	f.link = g.link(f.name, g.relay())
	g.add(f)
}

func (g *generator) retune() {
	g.add(&retune{pick(g, g.viewers...).name, pick(g, 0, -1, 300*time.Millisecond, 10*time.Second), api.Priority(g.IntN(3) - 1)})
}

func (g *generator) fetch() {
	g.add(&fetch{pick(g, g.viewers...).name, api.GroupSequence(g.IntN(4))})
}

// calm adds a pause in which all must recover.
func (g *generator) calm() {
	g.now = max(g.now, g.world.moves()) + quiet + flicker
	g.add(new(calm))
}

// finale ends a track, now and then.
func (g *generator) finale() {
	if len(g.publishers) > 0 && g.chance(0.3) {
		p := pick(g, g.publishers...)
		g.add(&finale{p.name, pick(g, g.world.broadcasts[p.broadcast].tracks...).name})
		g.over[p.numbering] = true
	}
}

func (g *generator) part() {
	if len(g.viewers) > 1 {
		g.add(&part{pick(g, g.viewers...).name})
	}
}

// anyLink returns one of the links.
func (g *generator) anyLink() linkSpec {
	var links []linkSpec
	for _, r := range g.world.relays {
		links = append(links, r.up...)
	}
	for _, p := range g.publishers {
		links = append(links, p.link)
	}
	for _, v := range g.viewers {
		links = append(links, v.link)
	}
	return pick(g, links...)
}

// silence returns how long a fault goes unnoticed.
func (g *generator) silence() time.Duration {
	return g.upTo(pick(g, time.Millisecond, time.Second, 5*time.Second, 12*time.Second))
}

func (g *generator) cut()    { g.add(&cut{g.anyLink().name}) }
func (g *generator) freeze() { g.add(&freeze{g.anyLink().name, g.silence(), g.chance(0.4)}) }
func (g *generator) reset()  { g.add(&reset{g.anyLink().name}) }

func (g *generator) flap() {
	g.add(&flap{g.anyLink().name, pick(g, 150*time.Millisecond, time.Second), g.upTo(15 * time.Second)})
}

func (g *generator) leaving() {
	l := g.anyLink()
	g.add(&leaving{l.name, l.to})
}

func (g *generator) kill() { g.add(&kill{g.relay(), g.silence(), g.silence()}) }
func (g *generator) roll() { g.add(&roll{g.relay(), g.upTo(8 * time.Second)}) }

// take removes and returns a publisher that is alive.
func (g *generator) take() *begin {
	if len(g.publishers) == 0 {
		return nil
	}
	p := pick(g, g.publishers...)
	g.gone(p)
	return p
}

// gone records that a publisher is no longer alive.
func (g *generator) gone(p *begin) {
	g.publishers = slices.DeleteFunc(g.publishers, func(o *begin) bool { return o == p })
	g.left = append(g.left, p)
	g.lived[p] += g.now
}

func (g *generator) crash() {
	p := g.take()
	if p == nil {
		return
	}
	g.add(&crash{p.name, g.silence()})
	if g.chance(0.6) {
		g.now += g.pause()
		g.again(p)
	}
}

func (g *generator) leave() {
	p := g.take()
	if p == nil {
		return
	}
	shared := slices.ContainsFunc(g.publishers, func(o *begin) bool { return o.numbering == p.numbering })
	l := &leave{p.name, !shared && g.chance(0.5)}
	g.add(l)
	g.over[p.numbering] = g.over[p.numbering] || l.inOrder
	if g.chance(0.6) {
		g.now += g.pause()
		g.again(p)
	}
}

// comeBack brings a publisher back that has left.
func (g *generator) comeBack() {
	if len(g.left) > 0 {
		g.again(pick(g, g.left...))
	}
}

// again begins a publisher after p: another process with the same identity,
// whose numbers go on; or one with another identity, which numbers from 0 or
// goes on.
func (g *generator) again(p *begin) {
	n := g.fresh(p.broadcast)
	n.handler = p.handler
	if !g.over[p.numbering] && g.chance(0.6) {
		n.numbering, n.holes = p.numbering, g.chance(0.5)
	}
	// A publisher with the identity of one before that numbers from 0 is
	// recognised by its numbers, if those before were much higher. A publisher
	// with a plain session may have ended long ago, and the one group of an
	// endless track has no higher number.
	known := p.lasting && g.lived[p] > 25*time.Second && !g.endless(p.broadcast)
	if g.chance(0.7) && (n.numbering == p.numbering || known) && !g.hasTwin(p.hop, n.numbering) {
		n.hop = p.hop
	}
	g.begin(n)
}

// hasTwin reports whether a publisher of an identity that began just now is
// alive, with another numbering: it could not be told from a standby of the
// other.
func (g *generator) hasTwin(hop api.Hop, numbering int) bool {
	return slices.ContainsFunc(g.publishers, func(o *begin) bool {
		began := -g.lived[o]
		return o.hop == hop && o.numbering != numbering && g.now-began < 10*time.Second
	})
}

// replace begins a new publisher, and ends the one before.
func (g *generator) replace() {
	if len(g.publishers) == 0 {
		return
	}
	p := pick(g, g.publishers...)
	g.begin(g.fresh(p.broadcast))
	g.now += g.pause()
	g.add(&leave{p.name, false})
	g.gone(p)
}

// standby begins a second publisher that writes the same under the same
// numbers.
func (g *generator) standby() {
	if len(g.publishers) == 0 {
		return
	}
	p := pick(g, g.publishers...)
	if g.endless(p.broadcast) || g.over[p.numbering] {
		return
	}
	n := g.fresh(p.broadcast)
	n.numbering, n.handler = p.numbering, p.handler
	g.begin(n)
}

func (g *generator) reroute() {
	if len(g.publishers) > 0 {
		g.add(&reroute{pick(g, g.publishers...).name, uint64(g.IntN(20))})
	}
}
