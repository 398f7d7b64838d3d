package session

// A flow is what egress knows of a subscription, or a fetch, that is served.
type flow struct {
	session *Session
	egress  *egress
	lane    lane // guarded by egress.mu
	backlog backlog
}

func (f *flow) init(s *Session, control *stream, subscriber, track uint8) {
	f.session, f.egress = s, s.sending(control)
	f.lane = lane{subscriber: subscriber, track: track}
	f.backlog.init()
}
