package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// A Subscriber is the receiving half of a session. All methods may be called
// concurrently. Functions that only read should take a Subscriber, which a test
// can mock:
//
//	func record(ctx context.Context, s api.Subscriber, path api.BroadcastPath) error
//
// Each method sends one request on a stream of its own: ANNOUNCE_REQUEST,
// SUBSCRIBE (after TRACK), FETCH or TRACK (moq-lite-06). Its ctx bounds the
// call, not what is returned. A refusal is a remote [*StreamError]; once the
// session has ended, every call fails with its [*SessionError].
type Subscriber interface {
	// Announcements follows the broadcasts announced below prefix, by whole
	// segments; "" is all of them. It returns once the request was sent. On a
	// server, from moq-lite-05 on, that is when the client's SETUP has come; a
	// client whose Role is [RoleSubscriber] announces nothing, so it is sent no
	// request.
	//
	// What this end publishes itself is not told, neither by this session nor by
	// another of the same client, since they are one hop: see
	// [Config].HopPerSession. The peer leaves it out, or this end does, and
	// counts it in [SessionStats].AnnouncementsOwn.
	//
	// A session may have any number of readers; each has its own position and
	// is told all that is there when it begins. The caller closes the reader.
	Announcements(ctx context.Context, prefix string) (AnnouncementReader, error)

	// Subscribe reads a track. It returns once the publisher has accepted (with
	// TRACK_INFO from moq-lite-05 on, with SUBSCRIBE_OK before) or refused. A
	// refusal is a [*StreamError], which matches [ErrNotFound] if there is no
	// such broadcast or track. If the publisher refuses later, AcceptGroup
	// returns the error. A nil config is the zero one.
	//
	// Just after the publisher's Dial, a subscription through a relay is
	// ErrNotFound, mostly for some milliseconds: the publisher's Dial returns
	// before the relay has asked it for its announcements. Where the publisher
	// may be as young as the subscriber, use [SubscribeWhenAnnounced].
	Subscribe(ctx context.Context, path BroadcastPath, name TrackName, config *SubscribeConfig) (TrackReader, error)

	// Fetch reads one group. It returns at the first byte of the answer, at its
	// end, or at a refusal. [ErrNotSupported] below moq-lite-05.
	Fetch(ctx context.Context, req FetchRequest) (GroupReader, error)

	// TrackInfo asks for a track's description. [ErrNotSupported] below
	// moq-lite-05.
	TrackInfo(ctx context.Context, path BroadcastPath, name TrackName) (TrackInfo, error)
}

// A Session is a connection to a peer, on which both sides may subscribe and
// publish. All methods may be called concurrently.
//
//	session, err := client.Dial(ctx, "https://relay.example.com", mux)
//	…
//	<-session.Context().Done()
//	err = context.Cause(session.Context()) // a *SessionError: who ended it, and why
//
// This side publishes the mux that was passed to Dial or to the server: the
// session announces its paths and calls its handlers. The session ends with its
// connection; for sessions that reconnect see package redial.
type Session interface {
	Subscriber

	// State describes the session as it is now.
	State() SessionState

	// Stats counts what the session has done so far. It does not block, and may
	// be called after the session's end too.
	Stats() SessionStats

	// Probe follows the peer's estimate of the bitrate at which it can send to
	// us (moq-lite-06, "PROBE"). From moq-lite-05 on it is [ErrNotSupported]
	// unless the peer offers it in its SETUP. The caller closes the reader.
	Probe(ctx context.Context) (BitrateReader, error)

	// GoAway asks the peer to leave, and to connect to uri if that is not empty
	// (moq-lite-06, "GOAWAY"). A client must pass an empty uri. It can be
	// called once in a session. Requests and groups that have begun go on.
	// [ErrNotSupported] on moq-lite-03.
	GoAway(uri string) error

	// GoneAway is closed when the peer asks us to leave; State().GoAway then
	// says where to connect.
	GoneAway() <-chan struct{}

	// Terminate ends the session at once and sends the peer a code and a
	// reason. It returns when all that the session held is released, except
	// handlers. Only the first end of a session counts; a later one does
	// nothing.
	Terminate(code SessionErrorCode, reason string) error

	// Close is Terminate with [SessionNoError] and without a reason.
	Close() error

	// Context ends with the session; context.Cause of it is a [*SessionError].
	Context() context.Context
}

// A PublishScope is a [Session] that knows what its peer may publish. A relay
// asks it before it takes the peer for the one that serves a path which the
// peer has not announced itself.
type PublishScope interface {
	// MayPublish reports whether the session's [Grant] has path among what its
	// peer may publish; path is full, as all paths on this side. A request for
	// another path is [ErrNotFound]. It is false until the session is admitted,
	// and true for all paths of a session without a grant.
	MayPublish(path BroadcastPath) bool
}

// SessionState describes a session.
type SessionState struct {
	// ID identifies the session on this side: 128 random bits, in hex.
	ID string

	// Version is the negotiated version.
	Version Version

	// Transport names the binding: "quic", "webtransport", "memory", ….
	Transport string

	// URL is what the client dialled, as far as this side knows: over native
	// QUIC and TCP, a server knows only the host and, from moq-lite-05 on, path
	// and query. It is never nil. Its query may hold credentials.
	URL *url.URL

	// Root is where the session stands; set on a server only. It is the path
	// that the client dialled, clean and escaped as in the URL, or that of the
	// session's [Grant]. The client sees and publishes only what is below it:
	// paths on this side are full, those on the wire are relative to Root
	// (moq-lite-06, "SETUP", the parameter Path). It is known before a handler
	// is called and before any path or answer of the client is returned. On a
	// client it is empty: its paths are relative to the URL it has dialled.
	Root BroadcastPath

	// Value is that of the session's [Grant], on a server: it says whose
	// session it is.
	Value any

	// TLS is the state of the TLS handshake; nil if there was none.
	TLS *tls.ConnectionState

	// Local and Remote are the addresses of both ends.
	Local, Remote net.Addr

	// GoAway is the peer's request that we leave; nil if there was none.
	GoAway *GoAway

	// Peer is what the peer's SETUP said (moq-lite-05 on); zero until that has
	// come.
	Peer PeerSetup
}

// A GoAway is a peer's request that we leave (moq-lite-06, "GOAWAY"; from 04
// on).
type GoAway struct {
	// URI is where to connect instead; empty is the same place.
	URI string
}

// A PeerSetup is what a peer says of itself (moq-lite-06, "SETUP"; from 05 on).
type PeerSetup struct {
	// Hop is the peer's identity in announcements; 0 is unknown.
	Hop Hop

	// Cost is the price of a subscription through the peer (moq-lite-06); nil
	// is the default of 1.
	Cost *uint64

	// Probe says what the peer can tell of the bitrate at which it can send to
	// us.
	Probe ProbeLevel

	// Role is what a client means to do.
	Role Role
}

// A ProbeLevel says what a peer can tell of the bitrate at which it can send
// (moq-lite-06, "SETUP", the parameter Probe). A higher level includes the
// lower ones; a peer may send a level that is not named here.
type ProbeLevel uint64

// The levels.
const (
	ProbeNone    ProbeLevel = iota // nothing: Session.Probe is not supported
	ProbeReports                   // it reports its estimate
	ProbePadding                   // it can also send padding, to measure more
)

// SessionStats counts what a session has done. What the transport cannot tell
// is zero.
type SessionStats struct {
	// RTT is the smoothed round-trip time, MinRTT the lowest seen.
	RTT, MinRTT time.Duration

	// BytesSent and BytesReceived went over the wire, as the transport counts
	// them: over QUIC with its own headers and with retransmissions.
	BytesSent, BytesReceived uint64

	// PacketsSent and PacketsReceived went over the wire; PacketsLost are the
	// sent ones that the transport has declared lost.
	PacketsSent, PacketsReceived, PacketsLost uint64

	// EstimatedBitrate is what the path to the peer carries, in bits per
	// second.
	EstimatedBitrate uint64

	// Subscriptions and Publications count the tracks that are read and served
	// now. A track is served until the subscriber has acknowledged its end.
	// Once a session has ended, Publications counts those that the session's
	// end has cut off.
	Subscriptions, Publications int

	// GroupsReading counts the groups that were returned to a reader and are
	// not read to their end yet; GroupsWriting those that are open or not sent
	// completely.
	GroupsReading, GroupsWriting int

	// GroupsDropped counts the groups that were cancelled on this side because
	// they were not read in time.
	GroupsDropped uint64

	// AnnouncementsDropped counts the broadcasts that were left out because the
	// peer had announced as many as [Limits] allow.
	AnnouncementsDropped uint64

	// AnnouncementsRefused counts the broadcasts that were left out because the
	// session's [Grant] does not let the peer publish them. What is announced
	// to several readers counts for each.
	AnnouncementsRefused uint64

	// AnnouncementsOwn counts the broadcasts that were not announced, by either
	// side, since they have come through the hop that they would be told to:
	// they are published by the peer itself, or by another session of the same
	// client (see [Config].HopPerSession). The first is logged, at debug level.
	// The side that leaves them out counts them, which mostly is the relay.
	AnnouncementsOwn uint64

	// DatagramsDropped counts the datagrams that the session's own queues
	// dropped; losses in the transport or on the wire are not counted.
	DatagramsDropped uint64
}

// ServerStats sums up what the sessions of a server have done. What counts since
// a session's begin includes sessions that have ended, so that it never falls;
// see [SessionStats] for what each counts.
type ServerStats struct {
	// Sessions counts those that are open now.
	Sessions int

	// Opened counts the sessions that were admitted.
	Opened uint64

	// Refused counts the sessions that were refused: by the server's Admit, or
	// since it gave no answer that counts, for their Origin, since they offered
	// no version in common, for a limit, or since the server was about to close.
	Refused uint64

	// BytesSent and BytesReceived count since the begin.
	BytesSent, BytesReceived uint64

	// PacketsSent, PacketsReceived and PacketsLost count since the begin.
	PacketsSent, PacketsReceived, PacketsLost uint64

	// Subscriptions and Publications are those of the sessions open now.
	Subscriptions, Publications int

	// GroupsReading and GroupsWriting are those of the sessions open now.
	GroupsReading, GroupsWriting int

	// What was dropped, or refused, since the begin.
	GroupsDropped, AnnouncementsDropped, AnnouncementsRefused, AnnouncementsOwn, DatagramsDropped uint64
}

// A Bitrate is one report of a peer's estimate (moq-lite-06, "PROBE").
type Bitrate struct {
	// BitsPerSecond is the rate at which the peer estimates that it can send to
	// us; 0 if unknown.
	BitsPerSecond uint64

	// RTT is the round-trip time that the peer sees; 0 if unknown, and always
	// on moq-lite-03.
	RTT time.Duration
}

// A BitrateReader follows a peer's estimate (moq-lite-06, "PROBE"). One
// goroutine receives at a time; Close may be called by any.
//
//	for {
//		rate, err := reader.Receive(ctx)
//		if err != nil {
//			return err
//		}
//		encoder.SetBitrate(rate.BitsPerSecond)
//	}
type BitrateReader interface {
	// Receive waits for the next report; a slow reader gets only the newest.
	// After the last one it returns the error of the stream or of the session.
	Receive(ctx context.Context) (Bitrate, error)

	// Close ends the reports. Blocked and later Receives return [ErrClosed].
	Close() error
}
