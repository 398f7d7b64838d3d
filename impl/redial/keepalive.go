package redial

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// KeepAlive asks the peer of a session for a sign of life whenever nothing was
// received from it for every, and ends the session with
// [api.SessionControlTimeout] if no answer comes within timeout. It returns
// when the session has ended, or at once if every is not positive. A lasting
// session does this by itself ([Policy]); KeepAlive is for others whose peer may
// vanish while they only receive.
//
// The question is a request for a track that does not exist. It is large enough
// for a server that has been killed and started again to answer with a
// stateless reset; the pings of QUIC are not (RFC 9000, section 10.3).
func KeepAlive(s api.Session, every, timeout time.Duration) {
	if every <= 0 {
		return
	}
	var heard uint64
	since := time.Now()
	for sleep(s.Context(), every/8) {
		if now := s.Stats().BytesReceived; now != heard {
			heard, since = now, time.Now()
		}
		if time.Since(since) < every {
			continue
		}
		if !isAlive(s, timeout) {
			_ = s.Terminate(api.SessionControlTimeout, "no sign of life")
			return
		}
		heard, since = s.Stats().BytesReceived, time.Now()
	}
}

// isAlive asks the peer, again and again, and reports whether there is any answer
// in time. A server that was started again resets few sessions at once, and all of
// its clients ask it at the same time: a question that gets no answer may get one
// a second later, while what has been sent before is repeated ever more rarely.
func isAlive(s api.Session, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.Context(), within)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	var answered signal.Event
	for {
		asking.Go(func() {
			sendProbe(ctx, s)
			answered.Happen()
		})
		timer := time.NewTimer(probeAgainAfter/2 + rand.N(probeAgainAfter))
		select {
		case <-answered.Done():
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if answered.Happened() || ctx.Err() != nil {
			return ctx.Err() == nil
		}
	}
}

// keepAlive is the path and track that is asked for; nothing is published
// there, but any answer will do.
const keepAlive = ".keepalive"

// sendProbe asks for a track that does not exist: by TRACK, or by a subscription
// in versions that have no TRACK.
func sendProbe(ctx context.Context, s api.Session) {
	_, err := s.TrackInfo(ctx, keepAlive, keepAlive)
	if !errors.Is(err, api.ErrNotSupported) {
		return
	}
	if r, err := s.Subscribe(ctx, keepAlive, keepAlive, nil); err == nil {
		_ = r.Close()
	}
}
