package walk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport"
)

// A link is the path from one client to a relay. Each has a server of its own
// at the relay, so that it can fail by itself.
type link struct {
	spec linkSpec

	mu  sync.Mutex
	end *end // at the relay's current process; nil for none
}

// set gives the link the end of another process, or none.
func (l *link) set(e *end) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = e
}

// unset removes the end of a process that has ended.
func (l *link) unset(e *end) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == e {
		l.end = nil
	}
}

func (l *link) now() *end {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// each calls f with the end, if there is one.
func (l *link) each(f func(*end)) {
	if e := l.now(); e != nil {
		f(e)
	}
}

// An end is where a process listens for a link: in memory, or with real QUIC
// over a network that loses packets.
type end struct {
	*moqtest.Server
	spec linkSpec
	dial transport.Dialer
}

// newEnd returns an end that is not started yet.
func newEnd(spec linkSpec, mux *api.TrackMux) *end {
	e := &end{Server: moqtest.NewUnstartedServer(mux), spec: spec}
	e.Delay = spec.delay
	if spec.quic {
		e.Link = &moqtest.Link{Delay: spec.delay, Loss: spec.loss, Rate: 10_000_000, Seed: 1}
	}
	return e
}

func (e *end) start() {
	e.Start()
	e.dial = e.Client().Transport
}

// freeze lets nothing pass.
func (e *end) freeze() {
	if e.spec.quic {
		e.Link.SetLoss(1)
		return
	}
	e.Freeze()
}

// thaw ends freeze.
func (e *end) thaw() {
	if e.spec.quic {
		e.Link.SetLoss(e.spec.loss)
		return
	}
	e.Thaw()
}

// sever ends all connections without telling the peers. Over QUIC, nothing
// passes until both sides have noticed.
func (e *end) sever() {
	if e.spec.quic {
		e.Link.SetLoss(1)
		time.Sleep(idle)
		return
	}
	e.Sever()
}

// reset resets all streams; over QUIC it does nothing.
func (e *end) reset() { e.ResetStreams(uint64(api.StreamInternal)) }

// idle is how long both ends of a QUIC connection take to notice that the other
// is gone.
const idle = 20 * time.Second

// A dialer dials over a link. A process that has halted dials no more, and does
// not close its connections.
type dialer struct {
	link   *link
	halted <-chan struct{}
}

var errNobody = errors.New("nobody listens")

// Dial implements [transport.Dialer]. It connects to the relay's current
// process, whatever the URL.
func (d dialer) Dial(ctx context.Context, _ string, protocols []string) (transport.Conn, error) {
	e := d.link.now()
	if e == nil || isClosed(d.halted) {
		return nil, &transport.DialError{Transport: "walk", Phase: transport.PhaseConnect, Err: errNobody}
	}
	c, err := e.dial.Dial(ctx, e.URL, protocols)
	if whole, ok := c.(memoryConn); ok && err == nil && !e.spec.quic {
		return conn{whole, d.halted}, nil
	}
	return c, err
}

// A memoryConn is a connection with all abilities of one in memory.
type memoryConn interface {
	transport.Conn
	transport.DatagramConn
	transport.StatsConn
}

// A conn is the client's end of a connection in memory.
type conn struct {
	memoryConn
	halted <-chan struct{}
}

// CloseWithError implements [transport.Conn].
func (c conn) CloseWithError(code uint64, reason string) error {
	if isClosed(c.halted) {
		return nil
	}
	return c.memoryConn.CloseWithError(code, reason)
}

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// url is the URL that is dialled.
const url = "moqt://relay"

// config returns the configuration of a client of the link.
func (l *link) config(hop api.Hop) *api.Config {
	return &api.Config{Versions: []api.Version{l.spec.version}, Hop: hop}
}

// policy makes lasting sessions try again soon.
var policy = redial.Policy{MaxInterval: 2 * time.Second, KeepAlive: 3 * time.Second}
