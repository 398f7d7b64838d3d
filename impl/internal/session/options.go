package session

import (
	"cmp"
	"log/slog"
	"net/http"
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

	// Mux holds what the peer may subscribe to, unless its grant has another.
	Mux *api.TrackMux

	// Client is set at the end that has dialled.
	Client bool

	// URL is what a client has dialled. If the connection does not carry its path
	// and query, SETUP does (moq-lite-05 and 06). It is not modified.
	URL *url.URL

	// Grant is what the peer may do, if that was decided before: it is applicable
	// ([Ask]). Nil: Admit decides.
	Grant *api.Grant

	// Admit is asked once what the peer may do, unless Grant says it: when its URL
	// is known, and its SETUP has come in versions that have one. If Admit is nil,
	// the peer may do everything.
	Admit Admit

	// Header is that of the request that has made the connection, for Admit; nil if
	// there was none.
	Header http.Header

	// Logger gets the lines of the session, see [Log]. It is not nil.
	Logger *slog.Logger

	// Unread bounds what is unread in all sessions of a server; nil for no bound.
	Unread *receive.ServerBudget
}

// settings are the options that a session needs for as long as it lives. The others are not
// kept: most sessions are idle, and their number is bounded by memory.
type settings struct {
	log Log // has the session's id
	Hop api.Hop
	Mux *api.TrackMux
}

// settings returns what of the options is kept, with an ID.
func (o *Options) settings() settings {
	s := settings{log: Log{to: o.Logger, id: o.ID}, Hop: o.Hop, Mux: o.Mux}
	if s.log.id == "" {
		s.log.id = NewID()
	}
	return s
}

// limits are the limits of a session, and its side. Sessions without a Config share
// usualLimits.
type limits struct {
	api.Limits
	setup  time.Duration // how long the peer may take to send or to read a message that is due
	leave  time.Duration // how long a client may take to close a session that has drained
	client bool          // this end has dialled
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
	requests := cmp.Or(c.Limits.Requests, 4096)
	return &limits{
		Limits: api.Limits{
			FrameSize:     cmp.Or(c.Limits.FrameSize, 32<<20),
			UnreadBytes:   cmp.Or(c.Limits.UnreadBytes, 8<<20),
			UnreadGroups:  cmp.Or(c.Limits.UnreadGroups, 1024),
			Announcements: cmp.Or(c.Limits.Announcements, 1_000_000),
			Requests:      requests,

			SubscriptionsPerSession: cmp.Or(c.Limits.SubscriptionsPerSession, max(requests-requests/8, 1)),
		},
		setup:  cmp.Or(c.SetupTimeout, setup),
		leave:  cmp.Or(c.LeaveTimeout, 2*time.Second),
		client: client,
	}
}
