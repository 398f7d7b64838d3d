package session

import (
	"cmp"
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A peer is what the other end has told about itself, by the URL that it has dialled, by
// SETUP (moq-lite-05 and 06) and GOAWAY (moq-lite-04 to 06). The session's root is part of
// it (root.go).
type peer struct {
	life      *life
	setupIn   signal.Event // SETUP has arrived, or the version has none
	rootKnown signal.Event // root is final
	goneAway  signal.Event // GOAWAY has arrived

	pathInSetup bool // SETUP carries the URL's path
	granted     bool // a grant has the last word on root

	// mu guards what follows. url and root change only before rootKnown has happened,
	// setup only before setupIn.
	mu    sync.Mutex
	begun bool // the peer has opened its Setup stream
	setup api.PeerSetup
	url   *url.URL          // the URL that was dialled, or that of SETUP; nil for the connection's
	root  api.BroadcastPath // of a server's session, once it is known; before, what was dialled
	away  *api.GoAway       // nil until it has arrived
	due   *time.Timer       // ends the session if no SETUP arrives; nil when that is settled
}

// connected stores what the connection tells. It is called before all other methods.
func (p *peer) connected(l *life, v *message.Version, o *Options, conn transport.State) {
	p.life, p.url = l, o.URL
	p.pathInSetup = !o.Client && v.Setup && !conn.CarriesURL
	p.granted = o.Grant != nil || o.Admit != nil
	if !v.Setup {
		p.setupIn.Happen()
	}
	if !o.Client && !p.pathInSetup && conn.URL != nil {
		p.root = rootOf(conn.URL.EscapedPath())
	}
	if !p.pathInSetup && !p.granted {
		p.rootKnown.Happen()
	}
}

// standAt sets the root that a grant says, which is final. It returns what was dialled,
// and the root.
func (p *peer) standAt(g *api.Grant) (dialled, root api.BroadcastPath) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dialled = p.root
	p.root = grantedRoot(g, dialled)
	p.rootKnown.Happen()
	return dialled, p.root
}

// expectSetup calls late in a goroutine of the session after d, unless SETUP has arrived.
func (p *peer) expectSetup(d time.Duration, late func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = time.AfterFunc(d, func() {
		p.life.spawn(func() {
			if !p.setupIn.Happened() {
				late()
			}
		})
	})
}

// isFirstSetup is called when a Setup stream has been opened. It reports false for a
// second one.
func (p *peer) isFirstSetup() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.begun
	p.begun = true
	return !again
}

// storeSetup stores what the peer's SETUP says. conn is the state of the connection. The
// path of SETUP counts where the connection carries none.
func (p *peer) storeSetup(m *message.Setup, conn transport.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup = api.PeerSetup{Hop: api.Hop(m.Hop), Probe: api.ProbeLevel(m.Probe)}
	if m.HasCost {
		p.setup.Cost = &m.Cost
	}
	if m.Role <= uint64(api.RoleSubscriber) {
		p.setup.Role = api.Role(m.Role)
	}
	if m.HasPath && p.pathInSetup {
		p.url = withTarget(knownURL(&conn), m.Path)
		p.root = rootOf(targetPath(m.Path))
	}
	// The events come last: whoever waits for them finds the rest in place.
	if !p.granted {
		p.rootKnown.Happen()
	}
	p.setupIn.Happen()
	p.stopTimer()
}

// awaitSetup waits for the peer's SETUP and returns it. In versions without SETUP it
// returns the zero value at once.
func (p *peer) awaitSetup(ctx context.Context) (api.PeerSetup, error) {
	if err := p.life.await(ctx, &p.setupIn); err != nil {
		return api.PeerSetup{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup, nil
}

// storeGoAway stores the peer's GOAWAY. It reports false for a second one.
func (p *peer) storeGoAway(away api.GoAway) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil {
		return false
	}
	p.away = &away
	p.goneAway.Happen()
	return true
}

// describe adds what the peer has told to a session's state. The caller has set the URL
// to the connection's.
func (p *peer) describe(state *api.SessionState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := *cmp.Or(p.url, state.URL)
	state.URL = &u
	state.Root, state.Peer, state.GoAway = p.root, p.setup, p.away
}

// stopWaiting stops the timer of expectSetup, because the session has ended.
func (p *peer) stopWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopTimer()
}

// stopTimer stops the timer of expectSetup, if there is one, and forgets it: most sessions
// live for long after SETUP. The lock is held.
func (p *peer) stopTimer() {
	if p.due != nil {
		p.due.Stop()
		p.due = nil
	}
}
