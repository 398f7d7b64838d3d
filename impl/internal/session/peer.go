package session

import (
	"net/url"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A peer is what the other end has said of itself, each thing once.
type peer struct {
	setupIn  signal.Event // its SETUP has come, or it has none to say
	goneAway signal.Event // its GOAWAY has come

	mu    sync.Mutex
	begun bool // it has begun to say its SETUP
	setup api.PeerSetup
	url   *url.URL          // dialled, or as SETUP has it; nil if the connection knows
	root  api.BroadcastPath // see root.go; empty until it is known
	away  *api.GoAway
	due   *time.Timer // ends a session whose peer says no SETUP
}

// expectSetup calls late when no SETUP has come within d.
func (p *peer) expectSetup(d time.Duration, late func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = time.AfterFunc(d, late)
}

// beginsSetup reports false at a second SETUP.
func (p *peer) beginsSetup() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.begun
	p.begun = true
	return !again
}

// says takes in the SETUP. u and root are nil and empty where it does not tell
// them.
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

// leaves takes in a GOAWAY, and reports false at a second one.
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

// said is what the peer has said in its SETUP, and the session's root.
func (p *peer) said() (setup api.PeerSetup, root api.BroadcastPath) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup, p.root
}

// describe adds what the peer has said to a session's state, whose URL is that of
// the connection.
func (p *peer) describe(state *api.SessionState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := *orDefault(p.url, state.URL)
	state.URL = &u
	state.Root, state.Peer, state.GoAway = p.root, p.setup, p.away
}

// stopWaiting stops waiting for a SETUP: the session is over.
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
