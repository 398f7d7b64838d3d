package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// initialQuiet is how long a peer says nothing before the announcements that
// it has told are taken for the complete initial set.
const initialQuiet = 400 * time.Millisecond

// Announcements implements [api.Subscriber].
func (s *Session) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	path := api.BroadcastPath(prefix).Clean()
	if err := path.Validate(); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	if err := s.refused(); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	request := &message.AnnounceRequest{Prefix: string(path)}
	if s.version.ExcludeHop {
		request.ExcludeHop = uint64(s.opts.Hop)
	}
	st, err := s.open(ctx, message.StreamAnnounce, request)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	in := &interest{session: s, stream: st, prefix: path, known: make(map[api.BroadcastPath]bool)}
	in.AnnouncementReader = in.set.Reader("")
	if !s.spawn(in.run) {
		return nil, fmt.Errorf("announcements: %w", s.err())
	}
	return in, nil
}

// interest follows the peer's announcements below a prefix. It takes them in
// as they come, so that a slow reader holds up nothing: the set coalesces.
type interest struct {
	api.AnnouncementReader
	session *Session
	stream  *stream
	prefix  api.BroadcastPath
	set     api.AnnouncementSet
	closing sync.Once

	hop    api.Hop                    // the peer's, from ANNOUNCE_OK
	known  map[api.BroadcastPath]bool // told by the peer; false: not for us
	ids    map[uint64]api.BroadcastPath
	nextID uint64
	quiet  *time.Timer
	left   uint64 // announcements until the count in ANNOUNCE_OK is reached
}

// Close implements [api.AnnouncementReader].
func (in *interest) Close() error {
	in.closing.Do(func() {
		_ = in.AnnouncementReader.Close()
		_ = in.stream.Close()
		in.stream.CancelRead(uint64(api.StreamCancelled))
	})
	return nil
}

// run reads announcements until the stream ends.
func (in *interest) run() {
	in.quiet = time.AfterFunc(initialQuiet, in.set.Complete)
	defer in.quiet.Stop()
	s := in.session
	err := in.read()
	switch {
	case s.ctx.Err() != nil:
		err = s.err()
	case errors.Is(err, errAnnouncement):
		s.violation(err)
	case errors.Is(err, io.EOF):
		err = nil
		for path := range in.known {
			in.set.Remove(path)
		}
	default:
		err = streamError(err)
	}
	in.set.End(err)
	in.stream.refuse(api.StreamCancelled)
}

// errAnnouncement marks what breaks the order of announcements: fatal for the
// session.
var errAnnouncement = errors.New("announcement")

func (in *interest) read() error {
	if in.session.version.AnnounceOK {
		in.quiet.Stop()
		var ok message.AnnounceOK
		if err := in.stream.receive(&ok); err != nil {
			return malformedAnnouncement(err)
		}
		// What subscribing through the peer costs is in its SETUP.
		if err := in.session.WaitForSetup(in.session.ctx); err != nil {
			return err
		}
		in.left = ok.Active
		in.told()
		// A peer that does not say who it is gets a name for the time of this
		// stream, so that chains through it stay apart.
		in.hop = api.Hop(orDefault(ok.Hop, rand.Uint64N(1<<53-1)+1))
	}
	for {
		var err error
		if in.session.version.AnnounceIDs {
			err = in.readTyped()
		} else {
			err = in.readPlain()
		}
		if err != nil {
			return malformedAnnouncement(err)
		}
		in.left = max(in.left, 1) - 1
		in.told()
	}
}

// told waits for quiet once more, and for longer while the peer's count, which
// is a hint, has not been reached.
func (in *interest) told() {
	if in.left == 0 {
		in.quiet.Reset(initialQuiet)
	} else {
		in.quiet.Reset(5 * initialQuiet)
	}
}

// malformedAnnouncement marks the errors that are the peer's fault.
func malformedAnnouncement(err error) error {
	if errors.Is(err, message.ErrMalformed) || errors.Is(err, message.ErrTooLarge) {
		return fmt.Errorf("%w: %w", errAnnouncement, err)
	}
	return err
}

// readPlain reads an announcement of moq-lite-03 to 05.
func (in *interest) readPlain() error {
	var m message.Announce
	if err := in.stream.receive(&m); err != nil {
		return err
	}
	path := in.prefix.Join(api.BroadcastPath(m.Suffix))
	if m.Status == message.AnnounceEnded {
		in.remove(path)
		return nil
	}
	if _, live := in.known[path]; live && !in.session.version.AnnounceReplaces {
		return fmt.Errorf("%w of %q, which is announced already", errAnnouncement, string(path))
	}
	hops := in.hops(m.Hops)
	if !in.session.version.HopIDs {
		hops = make([]api.Hop, m.HopCount)
	}
	// Routes learned without costs are usable, but never preferred.
	return in.put(api.Announcement{Path: path, Hops: hops, Warm: 0, Cold: maxCost})
}

// readTyped reads an announcement of moq-lite-06.
func (in *interest) readTyped() error {
	v := in.session.version
	t, err := v.ReadVarint(in.stream.in)
	if err != nil {
		return err
	}
	switch message.AnnounceType(t) {
	case message.AnnounceTypeStart:
		var m message.AnnounceStart
		if err := in.stream.receive(&m); err != nil {
			return err
		}
		return in.start(&m)
	case message.AnnounceTypeEnd:
		var m message.AnnounceEnd
		if err := in.stream.receive(&m); err != nil {
			return err
		}
		path, ok := in.ids[m.ID]
		if !ok {
			return fmt.Errorf("%w: end of the unknown id %d", errAnnouncement, m.ID)
		}
		delete(in.ids, m.ID)
		in.remove(path)
		return nil
	case message.AnnounceTypeUpdate:
		var m message.AnnounceUpdate
		if err := in.stream.receive(&m); err != nil {
			return err
		}
		path, ok := in.ids[m.ID]
		if !ok {
			return fmt.Errorf("%w: update of the unknown id %d", errAnnouncement, m.ID)
		}
		return in.put(api.Announcement{Path: path, Hops: in.hops(m.Hops), Warm: m.Warm, Cold: m.Cold})
	default:
		_, err := message.ReadBody(in.stream.in, v, message.MaxBody, nil)
		return err
	}
}

func (in *interest) start(m *message.AnnounceStart) error {
	path := in.prefix.Join(api.BroadcastPath(m.Suffix))
	if _, live := in.known[path]; live {
		return fmt.Errorf("%w of %q, which is announced already", errAnnouncement, string(path))
	}
	if in.ids == nil {
		in.ids = make(map[uint64]api.BroadcastPath)
	}
	in.ids[in.nextID] = path
	in.nextID++
	return in.put(api.Announcement{Path: path, Hops: in.hops(m.Hops), Warm: m.Warm, Cold: m.Cold})
}

// hops is the chain of a route as it reaches us, the peer included.
func (in *interest) hops(ids []uint64) []api.Hop {
	hops := make([]api.Hop, 0, len(ids)+1)
	for _, id := range ids {
		hops = append(hops, api.Hop(id))
	}
	if !in.session.version.SenderInHops {
		hops = append(hops, in.hop)
	}
	return hops
}

// put takes a route in, unless it has come back to us in a loop. A route of
// moq-lite-06 that was told before is updated; of an older version, replaced.
func (in *interest) put(a api.Announcement) error {
	s := in.session
	live, told := in.known[a.Path]
	if !told && len(in.known) >= s.limits.Announcements {
		return fmt.Errorf("%w: more than %d broadcasts", errAnnouncement, s.limits.Announcements)
	}
	if slices.Contains(a.Hops, s.opts.Hop) || len(a.Hops) > message.MaxHops {
		in.known[a.Path] = false
		in.set.Remove(a.Path)
		return nil
	}
	link := in.linkCost()
	a.Warm, a.Cold = addCost(a.Warm, link), addCost(a.Cold, link)
	in.known[a.Path] = true
	if !live || !s.version.AnnounceIDs || !in.set.Update(a) {
		in.set.Put(a)
	}
	return nil
}

func (in *interest) remove(path api.BroadcastPath) {
	delete(in.known, path)
	in.set.Remove(path)
}

// maxCost is the highest cost that can be told.
const maxCost = 1<<62 - 1

func addCost(a, b uint64) uint64 { return min(min(a, maxCost)+min(b, maxCost), maxCost) }

// linkCost is the price of subscribing from the peer.
func (in *interest) linkCost() uint64 {
	in.session.mu.Lock()
	defer in.session.mu.Unlock()
	if c := in.session.state.Peer.Cost; c != nil {
		return *c
	}
	return 1
}

// serveAnnounce tells the peer what is published below a prefix, until the
// peer loses interest.
func (s *Session) serveAnnounce(st *stream) {
	var m message.AnnounceRequest
	if !s.request(st, &m) {
		return
	}
	// The peer's SETUP says which routes it must not be told.
	if s.Ready(s.ctx) != nil || s.WaitForSetup(s.ctx) != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if !s.spawn(func() { st.ended(); cancel() }) {
		return
	}
	s.mu.Lock()
	mux, exclude := s.mux, s.state.Peer.Hop
	s.mu.Unlock()
	if s.version.ExcludeHop {
		exclude = api.Hop(m.ExcludeHop)
	}
	reader, err := mux.Announcements(ctx, m.Prefix)
	if err != nil {
		st.refuse(api.ErrorCode(err))
		return
	}
	defer reader.Close()
	t := &teller{
		session: s,
		stream:  st,
		mux:     mux,
		prefix:  api.BroadcastPath(m.Prefix).Clean(),
		exclude: exclude,
		told:    make(map[api.BroadcastPath]uint64),
	}
	_ = t.run(ctx, reader)
	_ = st.Close()
	st.CancelRead(0)
}

// teller tells a peer of announcements.
type teller struct {
	session *Session
	stream  *stream
	mux     *api.TrackMux
	prefix  api.BroadcastPath
	exclude api.Hop // not told: routes through this hop
	told    map[api.BroadcastPath]uint64
	nextID  uint64
	buf     []byte
}

// run tells what reader has, until ctx ends.
func (t *teller) run(ctx context.Context, reader api.AnnouncementReader) error {
	v := t.session.version
	for initial := true; ; {
		a, err := reader.Receive(ctx)
		if err != nil {
			return err
		}
		if a.Status == api.AnnouncementsComplete {
			initial = false
			if v.AnnounceOK {
				ok := message.AnnounceOK{Hop: uint64(t.session.opts.Hop), Active: uint64(len(t.told))}
				t.buf = append(ok.Append(v, nil), t.buf...)
			}
		} else {
			t.tell(a)
		}
		if initial || len(t.buf) == 0 {
			continue
		}
		if _, err := t.stream.Write(t.buf); err != nil {
			return err
		}
		t.buf = t.buf[:0]
	}
}

// tell appends what the peer must hear of a change.
func (t *teller) tell(a api.Announcement) {
	id, told := t.told[a.Path]
	wanted := a.Status != api.AnnouncementEnded && t.allowed(a)
	switch {
	case told && !wanted:
		t.end(a.Path, id)
	case told && wanted:
		t.update(a, id)
	case wanted:
		t.start(a)
	}
}

// allowed tells whether the peer may hear of a route: not of one that it is
// part of, nor of one whose chain would grow too long.
func (t *teller) allowed(a api.Announcement) bool {
	if t.exclude != 0 && slices.Contains(a.Hops, t.exclude) || len(a.Hops) >= message.MaxHops {
		return false
	}
	p, err := t.mux.Lookup(a.Path)
	if err != nil {
		return false
	}
	h, ok := p.Handler().(api.OriginHandler)
	return !ok || h.Origin() != api.Session(t.session)
}

func (t *teller) start(a api.Announcement) {
	t.told[a.Path] = t.nextID
	t.nextID++
	suffix := string(a.Path.Rel(t.prefix))
	v := t.session.version
	if v.AnnounceIDs {
		m := message.AnnounceStart{Suffix: suffix, Hops: t.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		t.buf = m.Append(v, t.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceActive, Suffix: suffix, Hops: t.hops(a), HopCount: uint64(len(a.Hops) + 1)}
	t.buf = m.Append(v, t.buf)
}

func (t *teller) update(a api.Announcement, id uint64) {
	v := t.session.version
	switch {
	case v.AnnounceIDs:
		m := message.AnnounceUpdate{ID: id, Hops: t.hops(a), Warm: min(a.Warm, maxCost), Cold: min(a.Cold, maxCost)}
		t.buf = m.Append(v, t.buf)
	case v.AnnounceReplaces:
		t.start(a)
	default:
		t.end(a.Path, id)
		t.start(a)
	}
}

func (t *teller) end(path api.BroadcastPath, id uint64) {
	delete(t.told, path)
	v := t.session.version
	if v.AnnounceIDs {
		m := message.AnnounceEnd{ID: id}
		t.buf = m.Append(v, t.buf)
		return
	}
	m := message.Announce{Status: message.AnnounceEnded, Suffix: string(path.Rel(t.prefix))}
	t.buf = m.Append(v, t.buf)
}

// hops is the chain as the version tells it: with this end in it, or without.
func (t *teller) hops(a api.Announcement) []uint64 {
	hops := make([]uint64, 0, len(a.Hops)+1)
	for _, hop := range a.Hops {
		hops = append(hops, uint64(hop))
	}
	if t.session.version.SenderInHops {
		hops = append(hops, uint64(t.session.opts.Hop))
	}
	return hops
}
