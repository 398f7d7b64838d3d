package session

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// Options are the settings of a session.
type Options struct {
	// Config is the application's configuration. It is valid, or nil.
	Config *api.Config

	// ID is the session's [api.SessionState.ID]. Empty: a new one.
	ID string

	// Hop is this end's hop id in routes, not 0.
	Hop api.Hop

	// Mux holds what the peer may subscribe to, unless Authorize decides otherwise.
	Mux *api.TrackMux

	// Client is set at the end that has dialled.
	Client bool

	// URL is what a client has dialled. If the connection does not carry its path
	// and query, SETUP does (moq-lite-05 and 06). It is not modified.
	URL *url.URL

	// Authorize is called once the peer's URL is known, and returns what the peer
	// may subscribe to; a nil mux stands for Mux. An error refuses the session. If
	// Authorize is nil, every peer may subscribe to Mux.
	Authorize func(ctx context.Context, s api.SessionState) (*api.TrackMux, error)

	// Logger receives what no caller gets as an error. It is not nil.
	Logger *slog.Logger

	// Unread bounds what is unread in all sessions of a server; nil for no bound.
	Unread *receive.ServerBudget
}

// limits are the limits of a session. Sessions without a Config share
// usualLimits.
type limits struct {
	api.Limits
	setup time.Duration // how long the peer may take to send or to read a message that is due
}

// The setup timeouts that are documented in [api.Config]. A server may ask
// somebody else whether to admit a client, for up to 10 s; the client waits
// longer, so that it is told the outcome.
const (
	clientSetupTimeout = 15 * time.Second
	serverSetupTimeout = 10 * time.Second
)

// usualLimits are the documented defaults, which the sessions of one side
// without a Config share.
var usualLimits = struct{ client, server *limits }{
	client: newLimits(new(api.Config), true),
	server: newLimits(new(api.Config), false),
}

// limits returns the limits of a session with these options.
func (o *Options) limits() *limits {
	switch {
	case o.Config != nil:
		return newLimits(o.Config, o.Client)
	case o.Client:
		return usualLimits.client
	default:
		return usualLimits.server
	}
}

// newLimits returns the limits of a configuration on one side, with the
// documented defaults.
func newLimits(c *api.Config, client bool) *limits {
	setup := serverSetupTimeout
	if client {
		setup = clientSetupTimeout
	}
	return &limits{
		Limits: api.Limits{
			FrameSize:     cmp.Or(c.Limits.FrameSize, 32<<20),
			UnreadBytes:   cmp.Or(c.Limits.UnreadBytes, 8<<20),
			UnreadGroups:  cmp.Or(c.Limits.UnreadGroups, 1024),
			Announcements: cmp.Or(c.Limits.Announcements, 1_000_000),
			Requests:      cmp.Or(c.Limits.Requests, 4096),
		},
		setup: cmp.Or(c.SetupTimeout, setup),
	}
}
