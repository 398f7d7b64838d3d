package session

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/announce"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// An Announce stream carries what is published below a prefix, as long as both ends keep it
// open (moq-lite-06, ANNOUNCE_REQUEST): the subscriber sends the prefix, and the publisher
// answers with ANNOUNCE_OK (05 and 06) and then with each change. Package announce has both
// sides of that; this file decides who is asked for what.

// Announcements implements [api.Subscriber].
func (s *Session) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	wanted := api.BroadcastPath(prefix).Clean()
	if err := (&message.AnnounceRequest{Prefix: string(wanted)}).Validate(s.version); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	if err := s.refused(); err != nil {
		return nil, fmt.Errorf("announcements: %w", err)
	}
	// A client that only subscribes publishes nothing, so it is not asked. Servers have
	// no role in SETUP.
	if !s.limits.client {
		peer, err := s.peer.awaitSetup(ctx)
		if err != nil {
			return nil, cause(ctx, "announcements", err)
		}
		if peer.Role == api.RoleSubscriber {
			return silence(&s.life), nil
		}
	}
	root, err := s.peer.awaitRoot(ctx)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	// The peer is asked for what is below both: its paths are relative to the root, and
	// the application's are not.
	asked, some := overlap(root, wanted)
	if !some {
		return silence(&s.life), nil
	}
	request := &message.AnnounceRequest{Prefix: string(asked.Rel(root))}
	if s.version.ExcludeHop {
		request.ExcludeHop = uint64(s.opts.Hop)
	}
	st, err := s.open(ctx, message.StreamAnnounce, request)
	s.logAsked(message.StreamAnnounce, asked, "", err)
	if err != nil {
		return nil, cause(ctx, "announcements", err)
	}
	receiver := announce.NewReceiver(announce.Settings{
		Version: s.version,
		Stream:  st,
		Prefix:  asked,
		Wanted:  wanted,
		Own:     s.opts.Hop,
		Limit:   s.limits.Announcements,
		Host:    (*host)(s),
	})
	if !s.life.spawn(receiver.Run) {
		return nil, fmt.Errorf("announcements: %w", s.life.err())
	}
	return receiver, nil
}

// silence returns a reader without announcements that ends with the session, for when
// the peer need not be asked.
func silence(l *life) api.AnnouncementReader {
	var set api.AnnouncementSet
	set.Complete()
	context.AfterFunc(l.context(), func() { set.End(l.err()) })
	return set.Reader("")
}

// serveAnnounce tells the peer what is published below a prefix (moq-lite-06,
// ANNOUNCE_REQUEST), until the peer ends the stream.
func (r *request) serveAnnounce() {
	s := r.session
	var m message.AnnounceRequest
	if !r.receiveFirst(&m) {
		return
	}
	// SETUP has the peer's hop: routes through it are not announced.
	peer, err := s.peer.awaitSetup(s.Context())
	if err != nil {
		return
	}
	ctx, cancel, ok := r.untilEnd()
	if !ok {
		return
	}
	defer cancel()
	r.logAnswer(m.Prefix, "", nil)
	err = r.newSender(peer, &m).Run(ctx)
	if ctx.Err() == nil { // reset: a FIN would withdraw all announcements
		if logger := s.opts.log.At(slog.LevelDebug); logger != nil {
			logger.Debug("announcements broken off", "prefix", m.Prefix, "error", err)
		}
		r.CancelWrite(uint64(api.ErrorCode(err)))
	}
	_ = r.Close()
	r.CancelRead(0)
}

// newSender returns the Sender that serves an ANNOUNCE_REQUEST. It excludes the hops of
// the peer's SETUP and of the request.
func (r *request) newSender(peer api.PeerSetup, m *message.AnnounceRequest) *announce.Sender {
	s := r.session
	t := &announce.Sender{
		Version: s.version,
		Stream:  r.Stream,
		Mux:     s.opts.Mux,
		Prefix:  s.peer.fullPath(m.Prefix),
		Own:     s.opts.Hop,
		Session: s,
		May:     s.mayRead,

		Withheld: s.dropOwn,
	}
	// A client that only publishes has no use for announcements: it gets none.
	if !s.limits.client && peer.Role == api.RolePublisher {
		t.Mux = api.NewTrackMux()
	}
	for _, hop := range []api.Hop{peer.Hop, api.Hop(m.ExcludeHop)} {
		if hop != 0 {
			t.Exclude = append(t.Exclude, hop)
		}
	}
	return t
}

// dropOwn counts an announcement that is not used, or not made, since it would come
// back to the hop that it has come through. Who looks for a broadcast that stays away
// finds the first one in the log.
func (s *Session) dropOwn(path api.BroadcastPath) {
	if s.reading.own.Add(1) != 1 {
		return
	}
	if logger := s.opts.log.At(slog.LevelDebug); logger != nil {
		logger.Debug("an announcement would come back to its own hop and is left out; further ones are only counted",
			"path", string(path), "hop", uint64(s.opts.Hop), "remote", Address(s.conn.State().Remote))
	}
}
