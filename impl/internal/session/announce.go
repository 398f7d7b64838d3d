package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// announceBatch is about how much is told a peer in one Write, if so much
	// waits to be told.
	announceBatch = 4 << 10

	// toldAtOnce is for how many announcements room is made before the peer has
	// taken any, or sent any: fewer than fit into a stream's window.
	toldAtOnce = 6 << 10

	// maxCost is the highest cost that can be told.
	maxCost = 1<<62 - 1
)

// Announcements implements [api.Subscriber].
func (s *Session) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	wanted := api.BroadcastPath(prefix).Clean()
	if err := (&message.AnnounceRequest{Prefix: string(wanted)}).Validate(s.version); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	if err := s.refused(); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	role, err := s.peerRole(ctx)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	if role == api.RoleSubscriber {
		return s.silence(), nil
	}
	root, err := s.awaitRoot(ctx)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	asked, some := overlap(root, wanted)
	if !some {
		return s.silence(), nil
	}
	request := &message.AnnounceRequest{Prefix: string(asked.Rel(root))}
	if s.version.ExcludeHop {
		request.ExcludeHop = uint64(s.opts.Hop)
	}
	st, err := s.open(ctx, message.StreamAnnounce, request)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	in := &interest{session: s, stream: st, prefix: asked}
	in.AnnouncementReader = in.set.Reader(string(wanted))
	if !s.spawn(in.run) {
		return nil, fmt.Errorf("announcements: %w", s.err())
	}
	return in, nil
}

// peerRole waits until it is known what the peer means to do. Only clients say
// so.
func (s *Session) peerRole(ctx context.Context) (api.Role, error) {
	if s.opts.Client {
		return api.RoleBoth, nil
	}
	if err := s.WaitForSetup(ctx); err != nil {
		return api.RoleBoth, err
	}
	return s.State().Peer.Role, nil
}

// silence is what a peer announces that only subscribes: it is not even asked.
func (s *Session) silence() api.AnnouncementReader {
	var set api.AnnouncementSet
	set.Complete()
	context.AfterFunc(s.Context(), func() { set.End(s.err()) })
	return set.Reader("")
}

// serveAnnounce tells the peer what is published below a prefix, until the
// peer loses interest.
func (s *Session) serveAnnounce(st *peerStream) {
	var m message.AnnounceRequest
	if !s.request(st, &m) {
		return
	}
	// The peer's SETUP says what it must not be told.
	if s.readyToServe() != nil || s.WaitForSetup(s.Context()) != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	if !s.spawn(func() { st.AwaitEnd(); cancel() }) {
		return
	}
	err := s.newTeller(st.Stream, &m).run(ctx)
	if ctx.Err() == nil { // the end of the stream would withdraw everything
		s.opts.Logger.Debug("announcements broken off", "prefix", m.Prefix, "error", err)
		st.CancelWrite(uint64(api.ErrorCode(err)))
	}
	_ = st.Close()
	st.CancelRead(0)
}

// teller tells a peer of announcements. What the peer has not taken yet is not
// queued: the reader is asked for it when there is room.
type teller struct {
	session *Session
	stream  *control.Stream
	mux     *api.TrackMux
	prefix  api.BroadcastPath
	exclude []api.Hop // not told: routes through these
	told    map[api.BroadcastPath]uint64
	nextID  uint64
	buf     []byte
	chain   []uint64 // of what is being told
}

func (s *Session) newTeller(st *control.Stream, m *message.AnnounceRequest) *teller {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &teller{
		session: s,
		stream:  st,
		mux:     s.mux,
		prefix:  s.root.Join(api.BroadcastPath(m.Prefix).Clean()),
	}
	if !s.opts.Client && s.peer.Role == api.RolePublisher {
		t.mux = api.NewTrackMux() // whose announcements are none
	}
	for _, hop := range []api.Hop{s.peer.Hop, api.Hop(m.ExcludeHop)} {
		if hop != 0 {
			t.exclude = append(t.exclude, hop)
		}
	}
	return t
}

// run tells what is published, until ctx ends.
func (t *teller) run(ctx context.Context) error {
	reader, err := t.mux.Announcements(ctx, string(t.prefix))
	if err != nil {
		return err
	}
	defer reader.Close()
	now, cancel := context.WithCancel(ctx)
	cancel()
	active := t.count()
	t.told = make(map[api.BroadcastPath]uint64, min(active, toldAtOnce))
	if v := t.session.version; v.AnnounceOK {
		ok := message.AnnounceOK{Hop: uint64(t.session.opts.Hop), Active: active}
		t.buf = ok.Append(v, t.buf)
	}
	for {
		if err := t.gather(ctx, now, reader); err != nil {
			return err
		}
		if len(t.buf) == 0 {
			continue
		}
		if _, err := t.stream.Write(t.buf); err != nil {
			return err
		}
		t.buf = t.buf[:0]
	}
}

// count returns how many announcements are to come at once. They are counted
// beforehand rather than gathered, which would hold them all.
func (t *teller) count() (n uint64) {
	for a := range t.mux.All(string(t.prefix)) {
		if t.allowed(a) {
			n++
		}
	}
	return n
}

// gather waits until there is something to tell, and then takes what waits
// with it; now is a context that is done.
func (t *teller) gather(ctx, now context.Context, reader api.AnnouncementReader) error {
	a, err := reader.Receive(ctx)
	if err != nil {
		return err
	}
	for err == nil {
		t.tell(a)
		if len(t.buf) >= announceBatch {
			break
		}
		a, err = reader.Receive(now)
	}
	return nil
}

// tell appends what the peer must hear of a change.
func (t *teller) tell(a api.Announcement) {
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

// allowed tells whether the peer may hear of a route: not of one that it is
// part of, nor of what it could not take.
func (t *teller) allowed(a api.Announcement) bool {
	own := t.session.opts.Hop
	for _, hop := range t.exclude {
		if hop == own || slices.Contains(a.Hops, hop) {
			return false
		}
	}
	if !extends(a.Hops, own) || len(a.Path) > api.MaxPathBytes {
		return false
	}
	if a.Publication.Context().Err() != nil {
		return false
	}
	h, ok := a.Publication.Handler().(api.OriginHandler)
	return !ok || h.Origin() != api.Session(t.session)
}

// extends tells whether a chain can go on with own: it is no loop, and not too
// long.
func extends(hops []api.Hop, own api.Hop) bool {
	for i, hop := range hops {
		if hop == own || hop != 0 && slices.Contains(hops[:i], hop) {
			return false
		}
	}
	return len(hops) < message.MaxHops
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
// It is valid until the next call.
func (t *teller) hops(a api.Announcement) []uint64 {
	t.chain = t.chain[:0]
	for _, hop := range a.Hops {
		t.chain = append(t.chain, uint64(hop))
	}
	if t.session.version.SenderInHops {
		t.chain = append(t.chain, uint64(t.session.opts.Hop))
	}
	return t.chain
}
