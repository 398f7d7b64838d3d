package walk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/relay"
)

// A node is a place where relays run, one process after the other.
type node struct {
	stage *stage
	name  string
	up    []*link // to other nodes

	mu   sync.Mutex
	down []*link  // from clients and other nodes
	now  *process // nil for none
}

// A process is one run of a relay.
type process struct {
	node   *node
	relay  *relay.Relay
	hop    api.Hop
	halted chan struct{} // closed when the process does nothing any more
	ctx    context.Context
	cancel context.CancelFunc
	up     sync.WaitGroup // dials, and follows what is announced upstream

	mu       sync.Mutex
	ends     map[*link]*end
	clients  []*impl.Client
	sessions map[*link][]api.Session // that were accepted
}

// start begins a process, which takes over the links.
func (n *node) start() {
	p := &process{
		node: n, relay: relay.New(), hop: n.stage.nextHop(), halted: make(chan struct{}),
		ends: make(map[*link]*end), sessions: make(map[*link][]api.Session),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	n.mu.Lock()
	n.now = p
	for _, l := range n.down {
		p.listen(l)
	}
	n.mu.Unlock()
	for _, l := range n.up {
		p.dial(l)
	}
}

// attach makes the node listen for a link.
func (n *node) attach(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = append(n.down, l)
	if n.now != nil {
		n.now.listen(l)
	}
}

// take removes and returns the current process.
func (n *node) take() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.now
	n.now = nil
	return p
}

func (p *process) listen(l *link) {
	e := newEnd(l.spec, p.relay.Mux())
	e.Config.Config = &api.Config{Hop: p.hop}
	e.Config.Handler = func(session api.Session) {
		p.mu.Lock()
		p.sessions[l] = append(p.sessions[l], session)
		p.mu.Unlock()
		p.relay.Handler(session)
	}
	e.start()
	p.mu.Lock()
	p.ends[l] = e
	p.mu.Unlock()
	l.set(e)
}

// dial keeps a session upstream, as long as the process lives.
func (p *process) dial(l *link) {
	c := &impl.Client{Config: l.config(p.hop), Transport: dialer{l, p.halted}}
	p.mu.Lock()
	p.clients = append(p.clients, c)
	p.mu.Unlock()
	p.up.Go(func() {
		session, err := impl.NewRedialer(c, policy).Dial(p.ctx, url, p.relay.Mux())
		if err != nil {
			return
		}
		p.up.Go(func() { p.relay.Handler(session) })
		<-p.ctx.Done()
		_ = session.Terminate(api.SessionNoError, "")
	})
}

// kill ends the process as a crash does. The others notice when it has been
// silent for a while, or at once.
func (p *process) kill(silent time.Duration) {
	close(p.halted)
	p.mu.Lock()
	ends := maps.Clone(p.ends)
	p.mu.Unlock()
	for l, e := range ends {
		l.unset(e)
	}
	for _, l := range p.node.up {
		l.each(func(e *end) { ends[l] = e })
	}
	if silent > 0 {
		for _, e := range ends {
			e.freeze()
		}
	}
	p.node.stage.spawn(func() {
		time.Sleep(silent)
		var noticing sync.WaitGroup
		for _, e := range ends {
			noticing.Go(func() {
				e.sever()
				e.thaw()
			})
		}
		noticing.Wait()
		p.close()
	})
}

// drain ends the process as an operator does who gives it time.
func (p *process) drain(d time.Duration) {
	p.mu.Lock()
	ends, clients := p.ends, p.clients
	p.mu.Unlock()
	p.node.stage.spawn(func() {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		var draining sync.WaitGroup
		for _, e := range ends {
			draining.Go(func() { _ = e.Config.Shutdown(ctx) })
		}
		for _, c := range clients {
			draining.Go(func() { _ = c.Shutdown(ctx) })
		}
		draining.Go(func() { _ = p.relay.Shutdown(ctx) })
		draining.Wait()
		p.close()
	})
}

// close ends the process at once, and closes its sessions.
func (p *process) close() {
	p.cancel()
	p.mu.Lock()
	ends, clients := p.ends, p.clients
	p.mu.Unlock()
	for l, e := range ends {
		l.unset(e)
		e.Close()
	}
	for _, c := range clients {
		_ = c.Close()
	}
	_ = p.relay.Close()
	p.up.Wait()
}

// goAway sends a GOAWAY to the other end of a link.
func (p *process) goAway(l *link) {
	p.mu.Lock()
	sessions := slices.Clone(p.sessions[l])
	p.mu.Unlock()
	for _, s := range sessions {
		p.node.stage.spawn(func() { _ = s.GoAway("") })
	}
}

// kill is a step: a relay crashes, and comes back.
type kill struct {
	relay        string
	silent, away time.Duration
}

func (k *kill) String() string {
	return fmt.Sprintf("relay %s is killed, silent for %v, and back after %v", k.relay, k.silent, k.away)
}

func (k *kill) lasts() time.Duration { return max(k.silent, k.away) }

func (k *kill) run(s *stage) {
	n := s.nodes[k.relay]
	p := n.take()
	if p == nil {
		return
	}
	p.kill(k.silent)
	s.spawn(func() {
		time.Sleep(k.away)
		n.start()
	})
}

// roll is a step: a relay is replaced by a new process, and drains.
type roll struct {
	relay string
	drain time.Duration
}

func (r *roll) String() string {
	return fmt.Sprintf("relay %s is replaced, and drains for %v", r.relay, r.drain)
}

func (r *roll) lasts() time.Duration { return r.drain }

func (r *roll) run(s *stage) {
	n := s.nodes[r.relay]
	p := n.take()
	if p == nil {
		return
	}
	n.start()
	p.drain(r.drain)
}
