//go:build unix

package interop_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// A ticketCache reports when a session is stored for the next dial.
type ticketCache struct {
	tls.ClientSessionCache
	kept chan struct{}
}

func (c *ticketCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	select {
	case c.kept <- struct{}{}:
	default:
	}
}

// TestResumption dials moq-relay twice with a client that sends early data if a
// server accepts it: the second session is resumed, and carries a track either
// way.
func TestResumption(t *testing.T) {
	eachSide(t, []string{"moqt"}, []string{"moq-lite-03", "moq-lite-06"}, func(t *testing.T, s side) {
		addr, _ := moqRelay(t)
		s.publishLive(t, addr, "room")
		tickets := &ticketCache{tls.NewLRUClientSessionCache(0), make(chan struct{}, 1)}
		conf := quicconn.DefaultConfig()
		conf.Allow0RTT = true
		client := &impl.Client{
			TLSConfig:  &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tickets},
			QUICConfig: conf,
			Config:     &api.Config{Versions: []api.Version{api.Version(s.version)}},
		}
		t.Cleanup(func() { _ = client.Close() })
		for _, again := range []bool{false, true} {
			session, err := client.Dial(t.Context(), s.scheme+"://"+addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			if again {
				t.Logf("early: %t", !session.State().TLS.HandshakeComplete)
			}
			r := subscribeTo(t, session, "room", nil)
			accept(t, r)
			if state := session.State(); !state.TLS.HandshakeComplete || state.TLS.DidResume != again {
				t.Errorf("the handshake is complete: %t, the session is resumed: %t, want %t", state.TLS.HandshakeComplete, state.TLS.DidResume, again)
			}
			_ = r.Close()
			select {
			case <-tickets.kept:
			case <-time.After(limit):
				t.Fatal("the relay has sent no ticket")
			}
			_ = session.Terminate(api.SessionNoError, "")
		}
	})
}
