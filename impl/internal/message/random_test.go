package message_test

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// A generator makes random messages of a version, as Parse would return them.
type generator struct {
	*rand.Rand
	v *message.Version
}

func generate(v *message.Version, seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 1)), v}
}

// number returns a random number whose encoding has any length.
func (g generator) number() uint64 {
	if g.IntN(8) == 0 {
		return message.MaxVarint
	}
	return g.Uint64N(1 << g.IntN(63))
}

func (g generator) text() string {
	runes := []rune("aB/ é東😀.")
	b := make([]rune, g.IntN(20))
	for i := range b {
		b[i] = runes[g.IntN(len(runes))]
	}
	return string(b)
}

func (g generator) path() string {
	segments := make([]string, g.IntN(message.MaxSegments+1))
	for i := range segments {
		segments[i] = "s" + strings.ReplaceAll(g.text(), "/", ".")
	}
	return strings.Join(segments, "/")
}

func (g generator) hops() []uint64 {
	if !g.v.HopIDs {
		return nil
	}
	var hops []uint64
	for range g.IntN(message.MaxHops + 1) {
		if hop := g.number(); hop == 0 || !slices.Contains(hops, hop) {
			hops = append(hops, hop)
		}
	}
	return hops
}

func (g generator) params() message.SubscribeParams {
	p := message.SubscribeParams{Priority: uint8(g.Uint32()), MaxAge: g.number(), EndGroup: g.number()}
	switch {
	case g.v.StartFloor:
		p.StartGroup = g.number()
	case g.IntN(3) == 0:
		p.Latest = true
	default:
		p.StartGroup = min(g.number(), message.MaxVarint-1)
	}
	if g.v.FrameBounds {
		p.StartFrame = g.number()
		if p.EndGroup != 0 {
			p.EndFrame = g.number()
		}
	}
	return p
}

func (g generator) fetch() *message.Fetch {
	m := &message.Fetch{Path: g.path(), Track: g.text(), Priority: uint8(g.Uint32()), Group: g.number()}
	if g.v.FrameBounds {
		m.StartFrame = g.number()
		if end := g.number(); end > m.StartFrame {
			m.EndFrame = end
		}
	}
	return m
}

func (g generator) setup() *message.Setup {
	m := &message.Setup{Probe: g.number(), Role: g.number(), Hop: g.number()}
	if g.IntN(2) == 0 {
		m.Path, m.HasPath = g.text(), true
	}
	if g.IntN(2) == 0 {
		m.Cost, m.HasCost = g.number(), true
	}
	return m
}

func (g generator) announce() *message.Announce {
	m := &message.Announce{Status: message.AnnounceStatus(g.IntN(2)), Suffix: g.path(), Hops: g.hops()}
	if !g.v.HopIDs {
		m.HopCount = g.Uint64N(message.MaxHops + 1)
	}
	return m
}

// where returns x if the version has the field, else 0.
func where(has bool, x uint64) uint64 {
	if !has {
		return 0
	}
	return x
}

func (g generator) message(name string) wire {
	switch name {
	case "announce_request":
		return &message.AnnounceRequest{Prefix: g.path(), ExcludeHop: where(g.v.ExcludeHop, g.number())}
	case "announce_ok":
		return &message.AnnounceOK{Hop: g.number(), Active: g.number()}
	case "announce":
		return g.announce()
	case "announce_start":
		return &message.AnnounceStart{Suffix: g.path(), Hops: g.hops(), Warm: g.number(), Cold: g.number()}
	case "announce_end":
		return &message.AnnounceEnd{ID: g.number()}
	case "announce_update":
		return &message.AnnounceUpdate{ID: g.number(), Hops: g.hops(), Warm: g.number(), Cold: g.number()}
	case "subscribe":
		return &message.Subscribe{ID: g.number(), Path: g.path(), Track: g.text(), SubscribeParams: g.params()}
	case "subscribe_update":
		return &message.SubscribeUpdate{g.params()}
	case "subscribe_ok":
		return &message.SubscribeOK{g.params()}
	case "subscribe_start":
		return &message.SubscribeStart{Group: g.number()}
	case "subscribe_end":
		return &message.SubscribeEnd{Group: g.number()}
	case "subscribe_drop":
		return &message.SubscribeDrop{Start: g.number(), End: g.number(), Error: g.number()}
	default:
		return g.data(name)
	}
}

// data is message for messages that are not about announcements and subscriptions.
func (g generator) data(name string) wire {
	switch name {
	case "track":
		return &message.Track{Path: g.path(), Name: g.text()}
	case "track_info":
		return &message.TrackInfo{Priority: uint8(g.Uint32()), MaxAge: g.number(), Timescale: max(g.number(), 1)}
	case "fetch":
		return g.fetch()
	case "group":
		return &message.Group{Subscribe: g.number(), Sequence: g.number(), StartFrame: where(g.v.FrameBounds, g.number())}
	case "probe":
		return &message.Probe{Bitrate: g.number(), RTT: where(g.v.ProbeRTT, g.number())}
	case "goaway":
		return &message.GoAway{URI: g.text()}
	case "datagram":
		m := &message.Datagram{Subscribe: g.number(), Sequence: g.number(), Timestamp: g.number()}
		for range g.IntN(100) {
			m.Payload = append(m.Payload, byte(g.Uint32()))
		}
		return m
	case "setup":
		return g.setup()
	default:
		panic("no message " + name)
	}
}
