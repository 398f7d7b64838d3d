package redial

import (
	"context"
	"errors"

	"github.com/moqlite/moqlite/api"
)

// Fetch implements [api.Subscriber]. The group ends with the session beneath. While a track
// of the broadcast is read whose publisher is not back yet, after a loss of the session,
// Fetch waits for it, as the track does.
func (s *Session) Fetch(ctx context.Context, req api.FetchRequest) (api.GroupReader, error) {
	return request(ctx, s, "fetch", func(l *link) (api.GroupReader, error) {
		return whenBack(ctx, s, l, req.Path, func() (api.GroupReader, error) {
			l.addUse()
			g, err := l.session.Fetch(ctx, req)
			if err != nil {
				l.removeUse()
				return nil, err
			}
			return newGroup(g, 0, func(_ *group, err error) error { l.removeUse(); return err }), nil
		})
	})
}

// TrackInfo implements [api.Subscriber]. It waits for a publisher as Fetch does.
func (s *Session) TrackInfo(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	return request(ctx, s, "track info", func(l *link) (api.TrackInfo, error) {
		return whenBack(ctx, s, l, path, func() (api.TrackInfo, error) { return l.session.TrackInfo(ctx, path, name) })
	})
}

// whenBack asks over l. If there is no such broadcast there, but a track of it is being
// read, it waits until the broadcast is announced and asks again, once for each time that
// it is announced, and for the policy's ResumeTimeout at most.
func whenBack[T any](ctx context.Context, s *Session, l *link, path api.BroadcastPath, ask func() (T, error)) (T, error) {
	v, err := ask()
	path = path.Clean()
	if !isUnroutable(err) || !s.isReading(path) {
		return v, err
	}
	o := l.watchOrigin(path)
	defer l.unwatchOrigin(o)
	waiting, cancel := context.WithTimeout(ctx, s.policy.ResumeTimeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	defer context.AfterFunc(l.session.Context(), cancel)()
	for life := 0; isUnroutable(err); v, err = ask() {
		now := o.awaitState(waiting, func(s announcedState) bool { return s.presence == announced && s.life > life })
		if now.presence != announced || now.life == life {
			return v, err
		}
		life = now.life
	}
	return v, err
}

// isUnroutable reports whether a peer knows no such broadcast.
func isUnroutable(err error) bool {
	reset, ok := errors.AsType[*api.StreamError](err)
	return ok && reset.Remote && reset.Code == api.StreamUnroutable
}

// reading calls f, while which a track of a broadcast is read.
func (s *Session) reading(path api.BroadcastPath, f func()) {
	s.mu.Lock()
	s.read[path]++
	s.mu.Unlock()
	f()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read[path]--; s.read[path] == 0 {
		delete(s.read, path)
	}
}

// isReading reports whether a track of a broadcast is read.
func (s *Session) isReading(path api.BroadcastPath) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read[path] > 0
}
