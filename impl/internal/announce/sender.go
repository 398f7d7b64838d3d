// Package announce sends and receives announcements on an Announce stream: a [Sender]
// sends what is published here, a [Receiver] receives what the peer publishes.
//
// The announcements of one path come strictly in order: the broadcast becomes active, may
// be updated, ends, and may become active again. A route through the peer is not sent, and
// a received route through this end is not used, so routes form no loops (moq-lite-06,
// ANNOUNCE_START).
//
// The messages are those of the stream's version: ANNOUNCE_START, ANNOUNCE_UPDATE and
// ANNOUNCE_END of moq-lite-06, ANNOUNCE of moq-lite-03 to 05.
package announce

import (
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// batch is how many bytes are collected for one Write, if as many wait.
	batch = 4 << 10

	// roomAtFirst is the most announcements that memory is reserved for in advance:
	// fewer than fit into a stream's flow control window.
	roomAtFirst = 6 << 10

	// maxCost is the highest cost that can be encoded.
	maxCost = message.MaxVarint
)

// A Sender sends announcements to a peer. It has no queue: it receives the next changes
// from the mux only when the peer has taken those before. Set all exported fields and call
// Run once.
type Sender struct {
	Version *message.Version
	Stream  *control.Stream // ANNOUNCE_REQUEST was read from it
	Mux     *api.TrackMux   // the broadcasts to announce

	// Prefix is the full path of the request's prefix.
	Prefix api.BroadcastPath

	// Own is this end's hop id. Routes through a hop in Exclude are not sent: the
	// peer's own by SETUP, and that of the request (moq-lite-04 and 05).
	Own     api.Hop
	Exclude []api.Hop

	// May reports whether the peer may be told of a full path.
	May func(path api.BroadcastPath) bool

	// Withheld, if not nil, is called for each broadcast that is not announced
	// since its route goes through an excluded hop.
	Withheld func(path api.BroadcastPath)

	// Session is the session of the stream. Broadcasts that come from it are not
	// announced back.
	Session api.Session

	ids    map[api.BroadcastPath]uint64 // ids of the announced broadcasts
	nextID uint64
	buf    []byte   // encoded messages that are not written
	chain  []uint64 // reused by hops
}

// Run sends announcements until ctx or the stream ends, and returns why it has stopped.
func (s *Sender) Run(ctx context.Context) error {
	reader, err := s.Mux.Announcements(ctx, string(s.Prefix))
	if err != nil {
		return err
	}
	defer reader.Close()
	// Receiving with a context that has ended returns what is there already.
	now, cancel := context.WithCancel(ctx)
	cancel()
	active := s.count()
	s.ids = make(map[api.BroadcastPath]uint64, min(active, roomAtFirst))
	if s.Version.AnnounceOK {
		ok := message.AnnounceOK{Hop: uint64(s.Own), Active: active}
		s.buf = ok.Append(s.Version, s.buf)
	}
	for {
		if err := s.collect(ctx, now, reader); err != nil {
			return err
		}
		if len(s.buf) == 0 {
			continue
		}
		if _, err := s.Stream.Write(s.buf); err != nil {
			return err
		}
		s.buf = s.buf[:0]
	}
}

// count returns the number of broadcasts to announce first, for ANNOUNCE_OK (moq-lite-05
// and 06). They are counted in a pass of its own, so as not to hold all their messages in
// memory.
func (s *Sender) count() (n uint64) {
	for a := range s.Mux.All(string(s.Prefix)) {
		if s.allowed(a) {
			n++
		}
	}
	return n
}

// collect waits for a change and encodes it, along with others that are there already, up
// to a batch. now is a context that has ended, for receiving without waiting.
func (s *Sender) collect(ctx, now context.Context, reader api.AnnouncementReader) error {
	a, err := reader.Receive(ctx)
	if err != nil {
		return err
	}
	for err == nil {
		s.appendChange(a)
		if len(s.buf) >= batch {
			break
		}
		a, err = reader.Receive(now)
	}
	return nil
}

// appendChange appends the message for a change to buf, if there has to be one.
func (s *Sender) appendChange(a api.Announcement) {
	var wanted bool
	switch a.Status {
	case api.AnnouncementsComplete:
		return
	case api.AnnouncementActive:
		switch {
		case s.allowed(a):
			s.appendStart(a)
		case s.Withheld != nil && s.excludes(a):
			s.Withheld(a.Path)
		}
		return
	case api.AnnouncementUpdated:
		wanted = s.allowed(a)
	}
	id, told := s.ids[a.Path]
	switch {
	case told && !wanted:
		s.appendEnd(a.Path, id)
	case told && wanted:
		s.appendUpdate(a, id)
	case wanted:
		s.appendStart(a)
	}
}

// allowed reports whether an announcement may be sent: its route does not go through the
// peer or an excluded hop, the peer can accept it and may be told, and the broadcast has
// not ended.
func (s *Sender) allowed(a api.Announcement) bool {
	if s.excludes(a) {
		return false
	}
	if !extends(a.Hops, s.Own) || len(a.Path) > api.MaxPathBytes {
		return false
	}
	if a.Publication.Context().Err() != nil {
		return false
	}
	if !s.May(a.Path) {
		return false
	}
	h, ok := a.Publication.Handler().(api.OriginHandler)
	return !ok || h.Origin() != s.Session
}

// excludes reports whether a route goes through the peer, or an excluded hop.
func (s *Sender) excludes(a api.Announcement) bool {
	for _, hop := range s.Exclude {
		if hop == s.Own || slices.Contains(a.Hops, hop) {
			return true
		}
	}
	return false
}

// extends reports whether own may be appended to hops: no hop then occurs twice, and the
// route does not become too long.
func extends(hops []api.Hop, own api.Hop) bool {
	for i, hop := range hops {
		if hop == own || hop != 0 && slices.Contains(hops[:i], hop) {
			return false
		}
	}
	return len(hops) < message.MaxHops
}

// appendStart appends the message for a broadcast that becomes active:
// ANNOUNCE_START, which gives it the next id of the stream, or an active ANNOUNCE.
func (s *Sender) appendStart(a api.Announcement) {
	s.ids[a.Path] = s.nextID
	s.nextID++
	suffix := string(a.Path.Rel(s.Prefix))
	if s.Version.AnnounceIDs {
		m := message.AnnounceStart{Suffix: suffix, Hops: s.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		s.buf = m.Append(s.Version, s.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceActive, Suffix: suffix, Hops: s.hops(a), HopCount: uint64(len(a.Hops) + 1)}
	s.buf = m.Append(s.Version, s.buf)
}

// appendUpdate appends the message for a new route or new costs of a broadcast that
// stays active: ANNOUNCE_UPDATE in moq-lite-06. Versions before it have none. In some
// of them another active ANNOUNCE replaces the first; in the others the broadcast has
// to end and start again, as the peer would take a second one for a violation.
func (s *Sender) appendUpdate(a api.Announcement, id uint64) {
	switch {
	case s.Version.AnnounceIDs:
		m := message.AnnounceUpdate{ID: id, Hops: s.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		s.buf = m.Append(s.Version, s.buf)
	case s.Version.AnnounceReplaces:
		s.appendStart(a)
	default:
		s.appendEnd(a.Path, id)
		s.appendStart(a)
	}
}

// appendEnd appends the message for a broadcast that has ended, or whose route may
// not be sent any more. Its id is not used again.
func (s *Sender) appendEnd(path api.BroadcastPath, id uint64) {
	delete(s.ids, path)
	if s.Version.AnnounceIDs {
		m := message.AnnounceEnd{ID: id}
		s.buf = m.Append(s.Version, s.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceEnded, Suffix: string(path.Rel(s.Prefix))}
	s.buf = m.Append(s.Version, s.buf)
}

// hops returns the hops of an announcement as the version sends them, with this end
// included or not. The result is valid until the next call.
func (s *Sender) hops(a api.Announcement) []uint64 {
	s.chain = s.chain[:0]
	for _, hop := range a.Hops {
		s.chain = append(s.chain, uint64(hop))
	}
	if s.Version.SenderInHops {
		s.chain = append(s.chain, uint64(s.Own))
	}
	return s.chain
}
