package session

import (
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/send"
	"github.com/moqlite/moqlite/transport"
)

// sending returns the session's queue of groups, and makes it at the first call. Whether
// st can be prioritized decides on the urgencies of groups.
func (s *Session) sending(st *control.Stream) *send.Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		_, ranked := st.Stream.(transport.Prioritizer)
		s.queue = send.NewQueue((*host)(s), s.version, ranked)
		if s.life.isOver() {
			s.queue.Stop(s.life.err())
		}
	}
	return s.queue
}

// groupsWriting returns the number of groups being written.
func (s *Session) groupsWriting() int {
	s.mu.Lock()
	q := s.queue
	s.mu.Unlock()
	if q == nil {
		return 0
	}
	return q.Len()
}
