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

// A Network is a namespace of listeners, and the [transport.Dialer] of those
// who want to reach them. The zero value is ready to use. Nothing of it is
// tied to a synctest bubble but the listeners and connections made in one.
type Network struct {
	// Config is that of the dialling ends; it is set before the first Dial.
	// Nil is the defaults.
	Config *Config

	mu        sync.Mutex
	listeners map[string]*listener
	clients   int
}

var _ transport.TargetDialer = (*Network)(nil)

// ListenOptions are what a listener can do beside the ordinary.
type ListenOptions struct {
	// Config is that of the accepted ends. Nil is the defaults.
	Config *Config

	// Authorize decides whether a dial succeeds, before Accept returns its
	// connection. s is the state that the connection would have here. An error
	// comes out of Dial, in phase upgrade, and can be any; those that match
	// [transport.ErrUnauthorized] or [transport.ErrNotFound] say what other
	// bindings can say. It runs on the dialling goroutine, for many dials at
	// once; ctx ends with the dial. Nil lets everyone in.
	Authorize func(ctx context.Context, s transport.State) error

	// Backlog is how many connections may wait for Accept; further dials wait
	// for their place. Zero is 32.
	Backlog int
}

const defaultBacklog = 32

var (
	errNoProtocols = errors.New("no protocols to listen for")
	errHostInUse   = errors.New("host is in use")
)

// Listen listens for protocols, the most wanted first, at host: that of a URL,
// with its port if it has one. o may be nil.
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

// remove takes l out of the namespace, and nobody who took its place.
func (n *Network) remove(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if key := strings.ToLower(l.host); n.listeners[key] == l {
		delete(n.listeners, key)
	}
}

// Dial connects to the listener at rawURL's host, whatever the scheme, so that
// an application can go from another transport to this one with its URLs as
// they are. Of protocols it negotiates the one that the listener wants most.
// It takes a round trip, and waits while the listener's backlog is full.
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
		client.Sever(err) // of which nobody hears
		return nil, err
	}
	return client, nil
}

// find is the listener at host, and an address for whoever dials it.
func (n *Network) find(host string) (*listener, Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients++
	return n.listeners[strings.ToLower(host)], Addr(fmt.Sprintf("client-%d", n.clients))
}

// wait lets d pass, and fails with the cause of ctx if that ends first.
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
