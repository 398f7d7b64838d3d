package impl

import "github.com/moqlite/moqlite/impl/internal/receive"

// ServerLimits bound what the peers of a server can make it hold in memory, over all
// its sessions. Zero fields have the defaults given.
type ServerLimits struct {
	// UnreadBytes bounds what has arrived, in bytes, of groups that no reader
	// is waiting on, and of control messages that are not whole. Above it, each session that holds more than an equal
	// share drops groups until it does not, or all are within the limit; it
	// chooses them as where its own limit is exceeded, see [api.Limits]. The
	// share is UnreadBytes divided by the number of sessions that hold
	// something, so a session that holds little never loses groups because of
	// others. Zero: 1 GiB. That is what 128 sessions hold that use up their
	// own default limit of 8 MiB, and 1,000 only where each holds 1 MiB.
	UnreadBytes uint64
}

// unread returns the budget of all sessions.
func (s *Server) unread() *receive.ServerBudget {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budget == nil {
		limit := s.Limits.UnreadBytes
		if limit == 0 {
			limit = 1 << 30
		}
		s.budget = receive.NewServerBudget(limit)
	}
	return s.budget
}
