package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// TestLingerWaitsForTheReader: everything has arrived, and a group is still being read. The
// subscription then waits for its reader, and does not look again and again.
func TestLingerWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Session{version: message.VersionByName(string(api.Lite06)), limits: new(Options).limits(), began: time.Now()}
		s.budget.Init((*host)(s), receive.Options{Version: s.version, Began: s.began, Bytes: s.limits.UnreadBytes})
		sub := newSubscription(s, new(api.SubscribeConfig))
		sub.coverage.Arrive(0)
		sub.coverage.End(1)
		sub.mu.Lock()
		g := s.budget.NewGroup(nil)
		sub.share.Add(g, 0)
		sub.mu.Unlock()
		ended := make(chan error, 1)
		go func() { ended <- sub.linger() }()
		synctest.Wait()
		<-sub.ready // there are no more groups
		time.Sleep(time.Second)
		if len(sub.ready) > 0 {
			t.Error("it has looked again, and nothing has happened")
		}
		sub.mu.Lock()
		sub.share.Remove(g)
		sub.mu.Unlock()
		sub.Finished()
		<-ended
	})
}
