package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// A Subscriber is the receiving half of a session. All methods may be called
// concurrently. It is what a function needs that only reads, and what its test
// mocks:
//
//	func record(ctx context.Context, s api.Subscriber, path api.BroadcastPath) error
//
// Each method sends one request (ANNOUNCE_REQUEST, TRACK and SUBSCRIBE, FETCH,
// TRACK) on a stream of its own. Its ctx bounds the call, not what is returned. A
// refusal is a remote [*StreamError]; once the session has ended, every call fails
// with its [*SessionError].
type Subscriber interface {
	// Announcements follows the broadcasts announced below prefix, by whole
	// segments; "" is all. It returns once the question has been sent; on a
	// server, from moq-lite-05 on, that is when the client has said what it
	// means to do. One that only subscribes is not asked: it announces nothing.
	//
	// A session may have any number of readers; each has its own place, and is
	// told all that is there when it begins. The caller closes it.
	Announcements(ctx context.Context, prefix string) (AnnouncementReader, error)

	// Subscribe reads a track. It returns once the publisher has accepted (by
	// describing the track from moq-lite-05 on, by SUBSCRIBE_OK before) or
	// refused: a [*StreamError], which matches [ErrNotFound] where there is no
	// such broadcast or track. A later refusal is AcceptGroup's error. A nil
	// config is the zero one.
	Subscribe(ctx context.Context, path BroadcastPath, name TrackName, config *SubscribeConfig) (TrackReader, error)

	// Fetch reads one group. It returns at its first byte, end, or refusal.
	// [ErrNotSupported] below moq-lite-05.
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
// What this side publishes is in the mux that Dial, or the server, was given: the
// session announces it, and asks its handlers. The session ends with its
// connection; one that is dialled again is package redial's.
type Session interface {
	Subscriber

	// State describes the session as it is now.
	State() SessionState

	// Stats counts what the session has done until now. It does not block, and
	// may be asked after the end too.
	Stats() SessionStats

	// Probe follows the peer's estimate of the bitrate that it can send to
	// us (PROBE). From moq-lite-05 on it is [ErrNotSupported] unless the peer
	// offers it in its SETUP. The caller closes the reader.
	Probe(ctx context.Context) (BitrateReader, error)

	// GoAway asks the peer to leave (GOAWAY), and for uri if that is not empty;
	// a client's uri is empty. Once a session. [ErrNotSupported] on moq-lite-03.
	// What is under way goes on.
	GoAway(uri string) error

	// GoneAway is closed when the peer asks us to leave; State().GoAway then
	// says where to.
	GoneAway() <-chan struct{}

	// Terminate ends the session at once, with a code and a reason for the
	// peer, and returns when all that the session held is released, handlers
	// aside. The first end of a session wins; a later one does nothing.
	Terminate(code SessionErrorCode, reason string) error

	// Context ends with the session; context.Cause of it is a
	// [*SessionError].
	Context() context.Context
}

// SessionState describes a session.
type SessionState struct {
	// Version is the negotiated version.
	Version Version

	// Transport names the binding: "quic", "webtransport", "memory", ….
	Transport string

	// URL is what the client dialled, as far as this side knows: of native QUIC
	// and TCP a server knows the host alone, and from moq-lite-05 on path and
	// query. It is never nil. Its path is the session's root; its query may hold
	// credentials.
	URL *url.URL

	// Root is, on a server, where the session stands: the dialled path, as it
	// was escaped in the URL, clean. The peer reaches what is below, and what it
	// publishes is below: here all paths are full, to the peer they are relative
	// to the root (moq-lite-06, "SETUP parameters"). It is known as soon as a
	// handler runs, a path is told or an answer has come. On a client it is
	// empty: its paths are relative to what it has dialled.
	Root BroadcastPath

	// TLS is the handshake's state; nil where there was none.
	TLS *tls.ConnectionState

	// Local and Remote are the addresses of both ends.
	Local, Remote net.Addr

	// GoAway is the peer's wish that we leave; nil without.
	GoAway *GoAway

	// Peer is what the peer said of itself in its SETUP (moq-lite-05 on); zero
	// until that has come.
	Peer PeerSetup
}

// A GoAway is a peer's wish that we leave.
type GoAway struct {
	// URI is where to connect instead; empty is the same place.
	URI string
}

// A PeerSetup is what a peer says of itself.
type PeerSetup struct {
	// Hop is the peer's identity in announcements; 0 is unknown.
	Hop Hop

	// Cost is the price of a subscription through the peer (moq-lite-06);
	// nil is the default of 1.
	Cost *uint64

	// Probe is what the peer can tell of the bitrate to here.
	Probe ProbeLevel

	// Role is what a client means to do.
	Role Role
}

// A ProbeLevel is what a peer can tell of the bitrate that it can send at
// (moq-lite-06, "SETUP parameters"). A higher one includes the lower ones; a
// peer may say one that is not named here.
type ProbeLevel uint64

// The levels.
const (
	ProbeNone    ProbeLevel = iota // nothing: Session.Probe is not supported
	ProbeReports                   // what it estimates
	ProbePadding                   // and it can send padding, to find out more
)

// SessionStats counts what a session has done. What the transport cannot tell
// is zero.
type SessionStats struct {
	// RTT is the smoothed round-trip time, MinRTT the least seen.
	RTT, MinRTT time.Duration

	// BytesSent and BytesReceived went over the wire, as the transport counts
	// them: over QUIC with all of its own and with what was sent again.
	BytesSent, BytesReceived uint64

	// PacketsSent and PacketsReceived went over the wire; PacketsLost are those
	// of the sent ones that the transport has declared lost.
	PacketsSent, PacketsReceived, PacketsLost uint64

	// EstimatedBitrate is what the path carries to the peer, in bits a second.
	EstimatedBitrate uint64

	// Subscriptions and Publications count the tracks being read and served
	// now. A track is served until the subscriber has answered its end; once a
	// session has ended, Publications counts those that its end has cut.
	Subscriptions, Publications int

	// GroupsReading and GroupsWriting count the groups in flight: those that
	// are handed out and not read to their end, and those that are open or not
	// sent yet.
	GroupsReading, GroupsWriting int

	// GroupsDropped counts the groups that were cancelled here because nobody
	// read them in time.
	GroupsDropped uint64

	// AnnouncementsDropped counts the broadcasts that were left out because the
	// peer had announced as many as [Limits] allow.
	AnnouncementsDropped uint64

	// DatagramsDropped counts the datagrams that our own queues dropped; what
	// is dropped below them cannot be seen.
	DatagramsDropped uint64
}

// A Bitrate is one report of a peer's estimate (PROBE).
type Bitrate struct {
	// BitsPerSecond is what the peer thinks that it can send to us; 0 when
	// unknown.
	BitsPerSecond uint64

	// RTT is the round-trip time that the peer sees; 0 when unknown, and always
	// on moq-lite-03.
	RTT time.Duration
}

// A BitrateReader follows a peer's estimate. One goroutine receives at a time;
// Close is for any.
//
//	for {
//		rate, err := reader.Receive(ctx)
//		if err != nil {
//			return err
//		}
//		encoder.SetBitrate(rate.BitsPerSecond)
//	}
type BitrateReader interface {
	// Receive waits for the next report; a slow reader gets the newest. It ends
	// with the error of the stream or of the session.
	Receive(ctx context.Context) (Bitrate, error)

	// Close ends the reports. Blocked and later Receives return [ErrClosed].
	Close() error
}
