package impl

import (
	"cmp"
	"errors"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// defaultServerUnread is what 128 sessions hold that use up their own default limit.
const defaultServerUnread = 1 << 30

// defaultSessionsPerAddress is documented in [api.Limits].
const defaultSessionsPerAddress = 16384

// checkLimits returns an error if a limit is set that is one of each session, or
// negative.
func (s *Server) checkLimits() error {
	rest := s.Limits
	rest.UnreadBytes, rest.SessionsPerAddress = 0, 0
	if rest != (api.Limits{}) {
		return errors.New("of Server.Limits only UnreadBytes and SessionsPerAddress hold for all sessions together; set the others in Config.Limits")
	}
	if s.Limits.SessionsPerAddress < 0 {
		return errors.New("a negative limit")
	}
	return nil
}

// unread returns the budget of all sessions.
func (s *Server) unread() *receive.ServerBudget {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budget == nil {
		s.budget = receive.NewServerBudget(cmp.Or(s.Limits.UnreadBytes, defaultServerUnread))
	}
	return s.budget
}

// sessionsPerAddress returns how many sessions one address may have.
func (s *Server) sessionsPerAddress() int {
	return cmp.Or(s.Limits.SessionsPerAddress, defaultSessionsPerAddress)
}
