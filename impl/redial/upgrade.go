package redial

import (
	"context"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// fellBack reports whether a session uses the fallback for its URL's scheme:
// UDP did not get through when it was dialled.
func (l *link) fellBack() bool {
	t, err := transport.ParseURL(l.url)
	if err != nil || t.Scheme.Fallback == "" {
		return false
	}
	fallback, _ := transport.SchemeByName(t.Scheme.Fallback)
	return l.session.State().Transport == fallback.Transport
}

// upgrade dials over QUIC again and again if l has fallen back, until there is
// a session or ctx ends. The returned channel receives that session. It is nil
// if l has not fallen back, or if the dialer beneath takes no options.
func (s *Session) upgrade(ctx context.Context, l *link) <-chan *link {
	_, asks := s.dialer.(OptionsDialer)
	if s.policy.UpgradeInterval < 0 || !asks || !l.fellBack() {
		return nil
	}
	found := make(chan *link)
	s.wg.Go(func() {
		pause := s.policy.newBackoff()
		pause.InitialInterval, pause.MaxInterval = s.policy.UpgradeInterval, 10*s.policy.UpgradeInterval
		for attempt := 1; sleep(ctx, pause.NextBackOff()); attempt++ {
			next, err := s.dialOnce(ctx, l.destination(), attempt, transport.DialOptions{NoFallback: true})
			if err != nil {
				continue
			}
			if next.fellBack() { // a transport beneath does not look at options
				_ = next.session.Terminate(api.SessionNoError, "")
				return
			}
			select {
			case found <- next:
			case <-ctx.Done():
				_ = next.session.Terminate(api.SessionNoError, "")
			}
			return
		}
	})
	return found
}
