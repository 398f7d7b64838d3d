package memconn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A Network is a set of listeners and the [transport.Dialer] that connects to
// them. The zero value is ready to use. Only the listeners and connections
// that are made in a synctest bubble are bound to it, not the Network itself.
type Network struct {
	// Config is the configuration of the dialling ends. It must be set before
	// the first Dial. Nil: the defaults.
	Config *Config

	mu        sync.Mutex
	listeners map[string]*listener
	clients   int
}

var _ transport.TargetDialer = (*Network)(nil)

// ListenOptions are the settings of a listener.
type ListenOptions struct {
	// Config is the configuration of the accepted ends. Nil: the defaults.
	Config *Config

	// Authorize decides whether a dial succeeds, before Accept returns its
	// connection. s is the State of the connection on this side. Dial returns
	// its error, which may be any, in phase upgrade; errors that match
	// [transport.ErrUnauthorized] or [transport.ErrNotFound] are those that
	// other transports can convey. Authorize is called on the dialling
	// goroutines, concurrently; ctx ends with the dial. Nil: every dial is
	// accepted.
	Authorize func(ctx context.Context, s transport.State) error

	// Backlog is how many connections may wait for Accept; when it is reached,
	// dials wait for a place. Zero: 32.
	Backlog int
}

const defaultBacklog = 32

var (
	errNoProtocols = errors.New("no protocols to listen for")
	errHostInUse   = errors.New("host is in use")
)

// Listen listens for protocols, in order of preference, at host, which is the
// host of a URL with its port, if it has one. o may be nil.
func (n *Network) Listen(host string, protocols []string, o *ListenOptions) (transport.Listener, error) {
	if len(protocols) == 0 {
		return nil, fmt.Errorf("listen at %q: %w", host, errNoProtocols)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := strings.ToLower(host)
	if n.listeners[key] != nil {
		return nil, fmt.Errorf("listen at %q: %w", host, errHostInUse)
	}
	l := newListener(n, host, protocols, o)
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	n.listeners[key] = l
	return l, nil
}

// remove removes l, unless another listener has taken its host.
func (n *Network) remove(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if key := strings.ToLower(l.host); n.listeners[key] == l {
		delete(n.listeners, key)
	}
}

// Dial connects to the listener at the host of url. The scheme does not
// matter, so that an application can replace another transport by this one and
// keep its URLs. The protocol is the one that the listener prefers among
// protocols. Dial takes one round trip, and blocks while the listener's
// backlog is full, until ctx ends.
func (n *Network) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	t, err := transport.ParseURL(url)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, errors.Unwrap(err))
	}
	return n.DialTarget(ctx, t, protocols)
}

// DialTarget implements [transport.TargetDialer].
func (n *Network) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	c, err := n.dial(ctx, t.URL, protocols)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (n *Network) dial(ctx context.Context, u *url.URL, protocols []string) (*Conn, error) {
	l, addr := n.find(u.Host)
	if l == nil {
		return nil, dialError(transport.PhaseConnect, fmt.Errorf("nothing listens at %q", u.Host))
	}
	rtt := n.Config.withDefaults().OneWayDelay + l.options.Config.withDefaults().OneWayDelay
	if err := wait(ctx, rtt); err != nil {
		return nil, dialError(transport.PhaseConnect, err)
	}
	protocol := l.negotiate(protocols)
	if protocol == "" {
		return nil, dialError(transport.PhaseNegotiate, transport.ErrNoCommonProtocol)
	}
	client, server := newPair(n.Config, l.options.Config, ends{protocol: protocol, url: u, client: addr, server: l.addr()})
	if err := l.offer(ctx, server); err != nil {
		client.Sever(err) // ends both ends; nobody has seen them yet
		return nil, err
	}
	return client, nil
}

// find returns the listener at host, or nil, and an address for the dialling
// end.
func (n *Network) find(host string) (*listener, Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients++
	return n.listeners[strings.ToLower(host)], Addr(fmt.Sprintf("client-%d", n.clients))
}

// wait waits for d, and returns the cause of ctx if that ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func dialError(phase transport.Phase, err error) error {
	return &transport.DialError{Transport: Name, Phase: phase, Err: err}
}
