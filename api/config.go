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
	// Lite03 has announcements, subscriptions, groups and probes. No timestamps
	// travel, and the hops of an announcement are only counted.
	Lite03 Version = "moq-lite-03"
	// Lite04 adds GOAWAY and names the hops of announcements.
	Lite04 Version = "moq-lite-04"
	// Lite05 adds SETUP, descriptions of tracks (TRACK), fetches, datagrams and
	// timestamps.
	Lite05 Version = "moq-lite-05"
	// Lite06 adds the costs of routes, updates of announcements, and frame
	// bounds.
	Lite06 Version = "moq-lite-06"
)

// Versions returns all versions that this module speaks, the newest first.
func Versions() []Version { return []Version{Lite06, Lite05, Lite04, Lite03} }

// A Role says what a client means to do; peers may spare it the rest.
type Role uint64

// The roles.
const (
	RoleBoth       Role = iota // publish and subscribe
	RolePublisher              // publish only
	RoleSubscriber             // subscribe only
)

// A Config sets up sessions. The zero value, and a nil *Config, are the
// defaults. It is not written to, and must not change while in use.
type Config struct {
	// Versions are those offered (by a client) or accepted (by a server), the
	// most wanted first; nil is all, newest first.
	Versions []Version

	// Role is told to servers from moq-lite-05 on. Zero: both.
	Role Role

	// Hop identifies this end in announcements, below 2^53; 0 is a random one
	// for the life of the client or server. An announcement that has come
	// through this hop before is dropped as a loop: a relay that also dials
	// has its server and its client share one.
	Hop Hop

	// LinkCost is the price of subscribing through this end (moq-lite-06);
	// nil is 1, and *LinkCost 0 is free.
	LinkCost *uint64

	// SetupTimeout is how long a peer may take for its SETUP, and for the
	// first message on any stream it opens. Zero: 10 seconds.
	SetupTimeout time.Duration

	// WaitForSetup has Dial wait for the peer's SETUP on moq-lite-05 on, so
	// that a refusal is Dial's error, in phase setup.
	WaitForSetup bool

	// Limits bound what peers can make a session hold.
	Limits Limits
}

// Limits bound what the peer of a session can make it hold in memory. Zero
// fields are the defaults given.
type Limits struct {
	// FrameSize is the largest frame that ReadFrame returns, in bytes. Zero:
	// 32 MiB.
	FrameSize uint64

	// UnreadBytes is how much may have arrived of the groups that no reader
	// waits for, in bytes, over all subscriptions and fetches of a session.
	// While more has, the oldest group of the subscription that holds most is
	// given up, if it has gone unread for 250 ms: AcceptGroup skips it, Gaps
	// tells, and its reader gets StreamTooFarBehind. A group of which a large
	// part of this has arrived counts as 512 KiB more, which its stream may
	// hold; its publisher then waits for the reader. Zero: 8 MiB.
	UnreadBytes uint64

	// UnreadGroups is how many groups may wait in one subscription for
	// AcceptGroup. Zero: 1024.
	UnreadGroups int

	// Announcements is how many broadcasts each AnnouncementReader of a session
	// follows at a time. What the peer announces beyond, which may be others'
	// doing, is left out: it is counted in [SessionStats], and logged once a
	// reader. A reader that begins when there is room learns of it. Zero:
	// 1,000,000.
	Announcements int

	// Requests is how many streams with questions of the peer are served at
	// once; what comes beyond waits. Zero: 4096.
	Requests int
}

// Offered returns the versions that c offers or accepts, the most wanted first.
// That of a nil c is all.
func (c *Config) Offered() []Version {
	if c == nil || c.Versions == nil {
		return Versions()
	}
	return slices.Clone(c.Versions)
}

// Validate says what in c cannot be used. A nil c is valid.
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
	if c.LinkCost != nil && *c.LinkCost >= 1<<62 {
		return fmt.Errorf("config: link cost %d is not below 2^62", *c.LinkCost)
	}
	if c.SetupTimeout < 0 || c.Limits.UnreadGroups < 0 || c.Limits.Announcements < 0 || c.Limits.Requests < 0 {
		return fmt.Errorf("config: negative timeout or limit")
	}
	return nil
}
