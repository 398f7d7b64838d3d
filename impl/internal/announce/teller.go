// Package announce carries announcements over one Announce stream: a [Teller]
// tells a peer what is published here, a [Hearer] takes in what a peer publishes.
//
// For each path, either end is told strictly in order: it is active, then it may
// be updated, then it ended, and then it may be active again. No route is told
// that the peer is part of, or taken in that this end is part of, so that none
// comes back in a loop (moq-lite-06, ANNOUNCE_START).
//
// The messages are those of the stream's version: ANNOUNCE_START, ANNOUNCE_UPDATE
// and ANNOUNCE_END of moq-lite-06, and ANNOUNCE of moq-lite-03 to 05.
package announce

import (
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// batch is about how much is told in one Write, if so much waits.
	batch = 4 << 10

	// roomAtFirst is for how many announcements room is made before the peer has
	// taken any, or sent any: fewer than fit into a stream's window.
	roomAtFirst = 6 << 10

	// maxCost is the highest cost that can be told.
	maxCost = 1<<62 - 1
)

// A Teller tells a peer of announcements. Nothing that the peer has not taken yet
// is queued: the mux is asked for more when there is room. Set all exported fields
// and call Run, once.
type Teller struct {
	Version *message.Version
	Stream  *control.Stream // on which the request has been read
	Mux     *api.TrackMux   // what is told of

	// Prefix is the full path below which the peer wants to know of broadcasts.
	Prefix api.BroadcastPath

	// Own is this end's hop, Exclude those of which the peer wants no routes: its
	// own as SETUP has it, and that of the request (moq-lite-04 and 05).
	Own     api.Hop
	Exclude []api.Hop

	// Session is the peer's. What it has announced itself is not told back.
	Session api.Session

	told   map[api.BroadcastPath]uint64 // by their ids
	nextID uint64
	buf    []byte
	chain  []uint64 // of the announcement that is being told
}

// Run tells what is published, and returns why it has stopped: ctx has ended, or
// the stream.
func (t *Teller) Run(ctx context.Context) error {
	reader, err := t.Mux.Announcements(ctx, string(t.Prefix))
	if err != nil {
		return err
	}
	defer reader.Close()
	now, cancel := context.WithCancel(ctx)
	cancel()
	active := t.count()
	t.told = make(map[api.BroadcastPath]uint64, min(active, roomAtFirst))
	if t.Version.AnnounceOK {
		ok := message.AnnounceOK{Hop: uint64(t.Own), Active: active}
		t.buf = ok.Append(t.Version, t.buf)
	}
	for {
		if err := t.gather(ctx, now, reader); err != nil {
			return err
		}
		if len(t.buf) == 0 {
			continue
		}
		if _, err := t.Stream.Write(t.buf); err != nil {
			return err
		}
		t.buf = t.buf[:0]
	}
}

// count returns how many announcements are to come at once, for ANNOUNCE_OK
// (moq-lite-05 on). They are counted beforehand rather than gathered, since that
// would hold them all.
func (t *Teller) count() (n uint64) {
	for a := range t.Mux.All(string(t.Prefix)) {
		if t.allowed(a) {
			n++
		}
	}
	return n
}

// gather waits until there is something to tell, and takes what waits with it;
// now is a context that is done.
func (t *Teller) gather(ctx, now context.Context, reader api.AnnouncementReader) error {
	a, err := reader.Receive(ctx)
	if err != nil {
		return err
	}
	for err == nil {
		t.tell(a)
		if len(t.buf) >= batch {
			break
		}
		a, err = reader.Receive(now)
	}
	return nil
}

// tell appends what the peer must be told of a change.
func (t *Teller) tell(a api.Announcement) {
	var wanted bool
	switch a.Status {
	case api.AnnouncementsComplete:
		return
	case api.AnnouncementActive:
		if t.allowed(a) {
			t.start(a)
		}
		return
	case api.AnnouncementUpdated:
		wanted = t.allowed(a)
	}
	id, told := t.told[a.Path]
	switch {
	case told && !wanted:
		t.end(a.Path, id)
	case told && wanted:
		t.update(a, id)
	case wanted:
		t.start(a)
	}
}

// allowed tells whether the peer may be told of a route: not of one that the peer
// is part of, nor of one that it could not take.
func (t *Teller) allowed(a api.Announcement) bool {
	for _, hop := range t.Exclude {
		if hop == t.Own || slices.Contains(a.Hops, hop) {
			return false
		}
	}
	if !extends(a.Hops, t.Own) || len(a.Path) > api.MaxPathBytes {
		return false
	}
	if a.Publication.Context().Err() != nil {
		return false
	}
	h, ok := a.Publication.Handler().(api.OriginHandler)
	return !ok || h.Origin() != t.Session
}

// extends tells whether a chain of hops can go on with own: that makes no loop,
// and the chain does not become too long.
func extends(hops []api.Hop, own api.Hop) bool {
	for i, hop := range hops {
		if hop == own || hop != 0 && slices.Contains(hops[:i], hop) {
			return false
		}
	}
	return len(hops) < message.MaxHops
}

func (t *Teller) start(a api.Announcement) {
	t.told[a.Path] = t.nextID
	t.nextID++
	suffix := string(a.Path.Rel(t.Prefix))
	if t.Version.AnnounceIDs {
		m := message.AnnounceStart{Suffix: suffix, Hops: t.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		t.buf = m.Append(t.Version, t.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceActive, Suffix: suffix, Hops: t.hops(a), HopCount: uint64(len(a.Hops) + 1)}
	t.buf = m.Append(t.Version, t.buf)
}

func (t *Teller) update(a api.Announcement, id uint64) {
	switch {
	case t.Version.AnnounceIDs:
		m := message.AnnounceUpdate{ID: id, Hops: t.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		t.buf = m.Append(t.Version, t.buf)
	case t.Version.AnnounceReplaces:
		t.start(a)
	default:
		t.end(a.Path, id)
		t.start(a)
	}
}

func (t *Teller) end(path api.BroadcastPath, id uint64) {
	delete(t.told, path)
	if t.Version.AnnounceIDs {
		m := message.AnnounceEnd{ID: id}
		t.buf = m.Append(t.Version, t.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceEnded, Suffix: string(path.Rel(t.Prefix))}
	t.buf = m.Append(t.Version, t.buf)
}

// hops is the chain as the version tells it, with this end in it or without. It
// is valid until the next call.
func (t *Teller) hops(a api.Announcement) []uint64 {
	t.chain = t.chain[:0]
	for _, hop := range a.Hops {
		t.chain = append(t.chain, uint64(hop))
	}
	if t.Version.SenderInHops {
		t.chain = append(t.chain, uint64(t.Own))
	}
	return t.chain
}
