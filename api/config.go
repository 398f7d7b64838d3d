package api

import (
	"fmt"
	"slices"
	"time"
)

// A Version is the name of a moq-lite version, as it is negotiated: an ALPN of
// native QUIC, a protocol of WebTransport, a part of a WebSocket subprotocol.
type Version string

// The versions that this module speaks.
const (
	// Lite03 has announcements, subscriptions, groups and probes. Timestamps
	// are not sent, and the hops of an announcement are only counted.
	Lite03 Version = "moq-lite-03"
	// Lite04 adds GOAWAY and the hop ids of announcements.
	Lite04 Version = "moq-lite-04"
	// Lite05 adds SETUP, descriptions of tracks (TRACK and TRACK_INFO), FETCH,
	// datagrams and timestamps.
	Lite05 Version = "moq-lite-05"
	// Lite06 adds the costs of routes, ANNOUNCE_UPDATE, and frame bounds.
	Lite06 Version = "moq-lite-06"
)

// Versions returns all versions that this module speaks, the newest first.
func Versions() []Version { return []Version{Lite06, Lite05, Lite04, Lite03} }

// A Role says what a client means to do; the peer may then leave out the rest
// (moq-lite-06, "SETUP", the parameter Role; from 05 on).
type Role uint64

// The roles.
const (
	RoleBoth       Role = iota // publish and subscribe
	RolePublisher              // publish only
	RoleSubscriber             // subscribe only
)

// A Config sets up sessions. The zero value, and a nil *Config, are the
// defaults. A Config is not written to, and must not change while in use.
type Config struct {
	// Versions are those offered (by a client) or accepted (by a server), the
	// most wanted first; nil is all, newest first.
	Versions []Version

	// Role is sent to servers from moq-lite-05 on. Zero: both.
	Role Role

	// Hop identifies this end in announcements. It is below 2^53; 0 is a random
	// one for the life of the client or server. An announcement that has come
	// through this hop before is dropped as a loop, so the server and the
	// client of a relay must have the same Hop.
	Hop Hop

	// HopPerSession gives each session of a client a random hop of its own, in
	// place of the client's. Two sessions of one client then are told of each
	// other's broadcasts, as those of two clients are: otherwise a relay, and
	// the client itself, take them for the client's own coming back. A
	// publisher that is dialled again (package redial) then is another one to
	// its subscribers, whose tracks begin anew with [ErrRestarted]. It is not
	// for relays, which find loops by their one hop; servers ignore it. It
	// excludes Hop.
	HopPerSession bool

	// LinkCost is the price of subscribing through this end (moq-lite-06,
	// "SETUP", the parameter Cost); nil is 1, and *LinkCost 0 is free.
	LinkCost *uint64

	// SetupTimeout is how long a peer may take for its SETUP, and for the first
	// message on any stream that it opens. Zero: 15 seconds on clients, 10
	// seconds on servers. A client waits longer than a server takes to decide
	// whether to admit it, and so learns what the server has decided.
	SetupTimeout time.Duration

	// LeaveTimeout is how long a server's Shutdown waits for a client that has
	// nothing left to read, and was asked to leave (GOAWAY), to close its
	// session: it dials the next one first. Then the server closes the session,
	// without an error. Clients do not wait for their servers. Zero: 2 seconds.
	LeaveTimeout time.Duration

	// WaitForSetup makes Dial wait for the peer's SETUP from moq-lite-05 on: if
	// the peer refuses instead, Dial returns its error, in phase setup.
	WaitForSetup bool

	// Limits bound what peers can make a session hold.
	Limits Limits
}

// Limits bound what the peer of a session can make it hold in memory. Zero
// fields have the defaults given.
type Limits struct {
	// FrameSize is the largest frame that ReadFrame returns, in bytes. Zero: 32
	// MiB.
	FrameSize uint64

	// UnreadBytes bounds what has arrived, in bytes, of groups that no reader
	// is waiting on, over all subscriptions and fetches of a session. Above it,
	// the session drops the oldest group of the subscription that holds most,
	// if that group has gone unread for 250 ms: AcceptGroup skips it, Gaps
	// reports it, and its reader gets StreamTooFarBehind. A group of which a
	// large part of UnreadBytes has arrived counts as 512 KiB more, which its
	// stream may still buffer; the publisher then waits for the reader. Control
	// messages that have not arrived whole count too; beyond a quarter of
	// UnreadBytes they are refused with StreamNoCapacity. Zero: 8 MiB.
	UnreadBytes uint64

	// UnreadGroups is how many groups of one subscription may wait for
	// AcceptGroup. Zero: 1024.
	UnreadGroups int

	// Announcements is how many broadcasts each AnnouncementReader of a session
	// follows at a time. What the peer announces beyond that is left out, even
	// if other programs behind the peer caused it; it is counted in
	// [SessionStats] and logged once for each reader. A reader that begins when
	// there is room learns of it. Zero: 1,000,000.
	Announcements int

	// Requests is how many request streams of the peer are served at once; more
	// than that wait. Zero: 4096.
	Requests int

	// SubscriptionsPerSession is how many subscriptions of the peer are served
	// at a time, each from its SUBSCRIBE until the peer has left it. One more is
	// reset with [StreamNoCapacity], and the session goes on. Each takes one of
	// Requests too. Zero: seven eighths of Requests, which is 3584 by default;
	// what is left is for other requests, which would wait for a subscription to
	// end.
	SubscriptionsPerSession int

	// SessionsPerAddress is how many sessions of one address a server has at a
	// time: of an IPv4 address, or of the 64 bits of an IPv6 address that name a
	// network. It is set in the Limits of a server (impl.Server), not in a
	// Config. One more is closed with [SessionUnavailable], over every
	// transport and before anybody is asked about its admission: that is no
	// refusal, so a client that dials again, each time after a longer wait, gets
	// in once there is room. Behind proxies that the server trusts, the
	// client's address counts; without that, all clients of a proxy are at one
	// address. Connections in memory and Unix sockets have no address. Zero:
	// 16384, more than share one address even behind a carrier's NAT.
	SessionsPerAddress int
}

// Offered returns the versions that c offers or accepts, the most wanted first.
// A nil c offers all.
func (c *Config) Offered() []Version {
	if c == nil || c.Versions == nil {
		return Versions()
	}
	return slices.Clone(c.Versions)
}

// Validate reports which field of c cannot be used. A nil c is valid.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	for _, v := range c.Versions {
		if !slices.Contains(Versions(), v) {
			return fmt.Errorf("config: version %q: %w (known: %v)", string(v), ErrUnsupportedVersion, Versions())
		}
	}
	if c.Role > RoleSubscriber {
		return fmt.Errorf("config: role %d is unknown", c.Role)
	}
	if c.Hop >= 1<<53 {
		return fmt.Errorf("config: hop %d is not below 2^53", c.Hop)
	}
	if c.HopPerSession && c.Hop != 0 {
		return fmt.Errorf("config: hop %d is set, and HopPerSession asks for another in each session", c.Hop)
	}
	if c.LinkCost != nil && *c.LinkCost >= 1<<62 {
		return fmt.Errorf("config: link cost %d is not below 2^62", *c.LinkCost)
	}
	l := &c.Limits
	if min(c.SetupTimeout, c.LeaveTimeout) < 0 || min(l.UnreadGroups, l.Announcements, l.Requests, l.SubscriptionsPerSession) < 0 {
		return fmt.Errorf("config: negative timeout or limit")
	}
	if l.SessionsPerAddress != 0 {
		return fmt.Errorf("config: SessionsPerAddress is not a limit of one session: set it in the Limits of a server")
	}
	return nil
}
