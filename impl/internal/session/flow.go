package session

import "github.com/moqlite/moqlite/impl/internal/control"

// A flow is the sending side's state of one subscription or fetch that is served.
type flow struct {
	session *Session
	egress  *egress
	lane    lane // guarded by egress.mu
	backlog backlog
}

func (f *flow) init(s *Session, st *control.Stream, subscriber, track uint8) {
	f.session, f.egress = s, s.sending(st)
	f.lane = lane{subscriber: subscriber, track: track}
	f.backlog.init()
}

// sending returns the session's egress, and makes it at the first call. Whether st can
// be prioritized decides on the urgencies of groups.
func (s *Session) sending(st *control.Stream) *egress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.egress == nil {
		s.egress = &egress{session: s, stopped: s.life.isOver()}
		s.egress.first, s.egress.usual = groupUrgencies(st.Stream)
	}
	return s.egress
}

// groupsWriting returns the number of groups being written.
func (s *Session) groupsWriting() int {
	s.mu.Lock()
	e := s.egress
	s.mu.Unlock()
	if e == nil {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}
