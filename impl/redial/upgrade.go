package redial

import (
	"context"
	"net/url"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// fellBack tells whether a session runs over WebSocket although its URL does not
// ask for that: UDP did not get through when it was dialled.
func (l *link) fellBack() bool {
	u, err := url.Parse(l.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	return l.session.State().Transport == "websocket"
}

// upgrade dials over QUIC again and again where l has fallen back, until there
// is a session, or ctx ends. What it returns receives that session; it is nil
// where l has not fallen back.
func (s *Session) upgrade(ctx context.Context, l *link) <-chan *link {
	if s.policy.UpgradeInterval < 0 || !l.fellBack() {
		return nil
	}
	found := make(chan *link)
	s.wg.Go(func() {
		pause := s.policy.pause()
		pause.InitialInterval, pause.MaxInterval = s.policy.UpgradeInterval, 10*s.policy.UpgradeInterval
		for attempt := 1; sleep(ctx, pause.NextBackOff()); attempt++ {
			next, err := s.dial(transport.WithoutFallback(ctx), l.url, attempt)
			if err != nil {
				continue
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
