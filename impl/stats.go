package impl

import (
	"context"
	"errors"
	"iter"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
)

// Sessions implements [api.Server].
func (s *Server) Sessions() iter.Seq[api.Session] {
	return func(yield func(api.Session) bool) {
		live, _ := s.sessions.list()
		for _, ss := range live {
			if ss.IsReady() && ss.Context().Err() == nil && !yield(ss) {
				return
			}
		}
	}
}

// Stats implements [api.Server].
func (s *Server) Stats() api.ServerStats {
	live, sum := s.sessions.list()
	for _, ss := range live {
		stats := ss.Stats()
		sum.add(&stats)
		if ss.Context().Err() != nil {
			continue
		}
		if ss.IsReady() {
			sum.Sessions++
		}
		sum.Subscriptions += stats.Subscriptions
		sum.Publications += stats.Publications
		sum.GroupsReading += stats.GroupsReading
		sum.GroupsWriting += stats.GroupsWriting
	}
	return api.ServerStats(sum)
}

// counts are sums over sessions.
type counts api.ServerStats

// add adds what a session has counted since it began.
func (c *counts) add(s *api.SessionStats) {
	c.BytesSent += s.BytesSent
	c.BytesReceived += s.BytesReceived
	c.PacketsSent += s.PacketsSent
	c.PacketsReceived += s.PacketsReceived
	c.PacketsLost += s.PacketsLost
	c.GroupsDropped += s.GroupsDropped
	c.AnnouncementsDropped += s.AnnouncementsDropped
	c.AnnouncementsRefused += s.AnnouncementsRefused
	c.AnnouncementsOwn += s.AnnouncementsOwn
	c.DatagramsDropped += s.DatagramsDropped
}

// list returns the sessions that are live, and the sums over those that are not.
func (l *sessionSet) list() (live []*session.Session, ended counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.live {
		live = append(live, s)
	}
	ended = l.ended
	ended.Opened, ended.Refused = l.opened, l.refused
	return live, ended
}

// awaitAdmission waits until a session is admitted, and counts it. It reports false if it
// has been refused, or has ended before.
func (l *sessionSet) awaitAdmission(s *session.Session) bool {
	err := s.Ready(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.opened++
		return true
	}
	if ended, ok := errors.AsType[*api.SessionError](err); ok && !ended.Remote &&
		(ended.Code == api.SessionUnauthorized || ended.Code == api.SessionUnavailable) {
		l.refused++
	}
	return false
}

// countRefused counts a session that was refused before it began.
func (l *sessionSet) countRefused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}
