package session

import (
	"net/url"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A peer is what the other end has told about itself, by SETUP (moq-lite-05 and 06) and
// GOAWAY (moq-lite-04 to 06).
type peer struct {
	setupIn  signal.Event // SETUP has arrived, or the version has none
	goneAway signal.Event // GOAWAY has arrived

	mu    sync.Mutex
	begun bool // the peer has opened its Setup stream
	setup api.PeerSetup
	url   *url.URL          // the URL that was dialled, or that of SETUP; nil for the connection's
	root  api.BroadcastPath // empty until it is known
	away  *api.GoAway       // nil until it has arrived
	due   *time.Timer       // ends the session if no SETUP arrives
}

// expectSetup calls late after d, unless SETUP arrives before.
func (p *peer) expectSetup(d time.Duration, late func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = time.AfterFunc(d, late)
}

// beginsSetup is called when a Setup stream has been opened. It reports false for a
// second one.
func (p *peer) beginsSetup() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.begun
	p.begun = true
	return !again
}

// says stores the peer's SETUP. If SETUP has no path, u is nil and root is ignored.
func (p *peer) says(setup api.PeerSetup, u *url.URL, root api.BroadcastPath) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup = setup
	if u != nil {
		p.url, p.root = u, root
	}
	p.setupIn.Happen()
	p.stop()
}

// leaves stores the peer's GOAWAY. It reports false for a second one.
func (p *peer) leaves(away api.GoAway) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil {
		return false
	}
	p.away = &away
	p.goneAway.Happen()
	return true
}

// said returns the peer's SETUP and the session's root.
func (p *peer) said() (setup api.PeerSetup, root api.BroadcastPath) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup, p.root
}

// describe adds what the peer has told to a session's state. The caller has set the URL
// to the connection's.
func (p *peer) describe(state *api.SessionState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := *orDefault(p.url, state.URL)
	state.URL = &u
	state.Root, state.Peer, state.GoAway = p.root, p.setup, p.away
}

// stopWaiting stops the timer of expectSetup, because the session has ended.
func (p *peer) stopWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
}

func (p *peer) stop() {
	if p.due != nil {
		p.due.Stop()
	}
}
