package redial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// Announcements implements [api.Subscriber]. The loss of a session, or of an
// announcement stream, is not reported at once. Broadcasts that the next one
// announces in addition are reported as they come; those that it does not
// announce any more have ended when its initial set is complete.
func (s *Session) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	a := &announcementReader{session: s, prefix: prefix}
	a.ctx, a.cancel = context.WithCancel(s.ctx)
	first, err := request(ctx, s, "announcements", func(l *link) (*announceStream, error) { return a.openStream(ctx, l) })
	if err != nil {
		a.cancel()
		return nil, err
	}
	a.AnnouncementReader = a.set.Reader(prefix)
	if !s.spawn(func() { a.readStreams(first) }) {
		_ = a.Close()
		_ = first.Close()
		return nil, fmt.Errorf("announcements: %w", context.Cause(s.ctx))
	}
	return a, nil
}

// An announcementReader reads the announcements of one session after another. They
// are put into a set, so that each path is always active, updated, and ended in
// this order.
type announcementReader struct {
	api.AnnouncementReader
	session *Session
	prefix  string
	set     api.AnnouncementSet
	known   map[api.BroadcastPath]api.Hop // those in the set, with their origins; used by readStreams alone

	ctx    context.Context
	cancel context.CancelFunc
	once   sync.Once
}

// Close implements [api.AnnouncementReader]. The reader is closed first: otherwise
// it could report the end of a.ctx, with which readStreams ends the set.
func (a *announcementReader) Close() error {
	err := a.AnnouncementReader.Close()
	a.once.Do(a.cancel)
	return err
}

// An announceStream is a reader of one session's announcements.
type announceStream struct {
	api.AnnouncementReader
	link *link
}

func (a *announcementReader) openStream(ctx context.Context, l *link) (*announceStream, error) {
	r, err := l.session.Announcements(ctx, a.prefix)
	if err != nil {
		return nil, err
	}
	return &announceStream{r, l}, nil
}

// readStreams reads one announcement stream after another into the set.
func (a *announcementReader) readStreams(h *announceStream) {
	a.known = make(map[api.BroadcastPath]api.Hop)
	pause := a.session.policy.newBackoff()
	began := time.Now()
	err := a.passStream(h, nil)
	for err == nil {
		if !h.link.isReplaced() && !backOff(a.ctx, pause, began) {
			err = context.Cause(a.ctx)
			break
		}
		began = time.Now()
		before := h.link
		if h, err = a.reopenStream(before); err == nil {
			err = a.passStream(h, before)
		}
	}
	if a.session.ctx.Err() != nil {
		err = context.Cause(a.session.ctx)
	}
	a.set.End(err)
}

// reopenStream opens the announcements of the session that follows that of l, or of
// the same one if that still stands.
func (a *announcementReader) reopenStream(l *link) (*announceStream, error) {
	pause := a.session.policy.newBackoff()
	for {
		var but *link
		if l.isReplaced() {
			but = l
		}
		next, err := a.session.awaitLink(a.ctx, but)
		if err != nil {
			return nil, err
		}
		h, err := a.openStream(a.ctx, next)
		switch {
		case err == nil:
			return h, nil
		case a.ctx.Err() != nil, Permanent(err):
			return nil, err
		}
		l = next
		if logger := a.session.linkLogger(l, slog.LevelWarn); logger != nil {
			logger.Warn("announcements refused", "error", err)
		}
		if !sleep(a.ctx, pause.NextBackOff()) {
			return nil, context.Cause(a.ctx)
		}
	}
}

// passStream passes on what one stream announces. before is the session of the
// stream before; nil if this is the first. It returns nil when another stream
// is to be opened.
func (a *announcementReader) passStream(h *announceStream, before *link) error {
	defer func() { _ = h.Close() }()
	// The stream of a session that is left is not read any longer.
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	defer context.AfterFunc(h.link.ctx, cancel)()
	if before != nil {
		initial, err := a.receiveInitial(ctx, h, h.link == before)
		if err != nil {
			return a.finalError(h, err)
		}
		a.endAllBut(initial)
	}
	for {
		batch, err := h.receiveBatch(ctx)
		end := err != nil
		if end {
			err = a.finalError(h, err)
		}
		gone := end && err == nil || h.link.isEnded() || h.link.isGoingAway()
		for _, next := range batch {
			if !gone || next.Status != api.AnnouncementEnded {
				a.applyAnnouncement(next)
			}
		}
		if end {
			return err
		}
	}
}

// receiveBatch returns the next announcement. If that is an end, it also returns
// those that follow for a while: a session that is about to go ends all its
// announcements, which does not mean that the broadcasts have ended.
func (h *announceStream) receiveBatch(ctx context.Context) (batch []api.Announcement, err error) {
	next, err := h.Receive(ctx)
	if err != nil {
		return nil, err
	}
	batch = append(batch, next)
	if next.Status != api.AnnouncementEnded {
		return batch, nil
	}
	within, cancel := context.WithTimeout(ctx, endsSoonWithin)
	defer cancel()
	for {
		next, err := h.Receive(within)
		switch {
		case err == nil:
			batch = append(batch, next)
			if next.Status != api.AnnouncementEnded {
				return batch, nil // a session that is about to go announces nothing
			}
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return batch, nil
		default:
			return batch, err
		}
	}
}

// finalError returns err if it ends the announcements, and nil if it ends only one
// stream, which is then asked for again. A peer that is about to go may end its
// set before that is known.
func (a *announcementReader) finalError(h *announceStream, err error) error {
	switch {
	case a.ctx.Err() != nil:
		return context.Cause(a.ctx)
	case h.link.ctx.Err() != nil, h.link.isEndError(err), h.link.endsSoon(a.ctx):
		return nil
	case err == io.EOF, Permanent(err):
		return err
	default:
		return nil
	}
}

// receiveInitial receives the initial set of a new stream. If a broadcast has
// another publisher than before, it reports that at once, since new requests
// reach that publisher. An unknown origin counts as the same on the same
// session only.
func (a *announcementReader) receiveInitial(ctx context.Context, h *announceStream, sameSession bool) (map[api.BroadcastPath]struct{}, error) {
	within, cancel := context.WithTimeout(ctx, initialWithin)
	defer cancel()
	set := make(map[api.BroadcastPath]struct{})
	for {
		next, err := h.Receive(within)
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return set, nil
		case err != nil && (err != io.EOF || len(set) == 0):
			return nil, err
		case err != nil, next.Status == api.AnnouncementsComplete:
			return set, nil
		case next.Status == api.AnnouncementEnded:
			delete(set, next.Path)
			continue
		}
		set[next.Path] = struct{}{}
		if was, told := a.known[next.Path]; told && was == next.Origin() && (was != 0 || sameSession) {
			next.Status = api.AnnouncementUpdated
		} else {
			next.Status = api.AnnouncementActive
		}
		a.applyAnnouncement(next)
	}
}

// endAllBut reports that all broadcasts have ended except those of a set.
func (a *announcementReader) endAllBut(set map[api.BroadcastPath]struct{}) {
	for _, path := range slices.Sorted(maps.Keys(a.known)) {
		if _, there := set[path]; !there {
			a.applyAnnouncement(api.Announcement{Path: path, Status: api.AnnouncementEnded})
		}
	}
	a.set.Complete()
}

// applyAnnouncement applies one announcement to the set.
func (a *announcementReader) applyAnnouncement(next api.Announcement) {
	switch next.Status {
	case api.AnnouncementActive:
		a.known[next.Path] = next.Origin()
		a.set.Put(next)
	case api.AnnouncementUpdated:
		a.known[next.Path] = next.Origin()
		if !a.set.Update(next) {
			a.set.Put(next)
		}
	case api.AnnouncementEnded:
		delete(a.known, next.Path)
		a.set.Remove(next.Path)
	case api.AnnouncementsComplete:
		a.set.Complete()
	}
}
