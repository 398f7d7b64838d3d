package api

import (
	"context"
	"time"
)

// A Priority ranks the subscriptions and fetches of a session: a higher one is
// served first when the link cannot carry all. 0 is normal, -127 the lowest,
// 128 the highest; a value beyond is taken as the nearest of these. It is the
// Priority of moq-lite-06, "SUBSCRIBE", "FETCH" and "TRACK_INFO", which has 127
// for 0.
type Priority int16

// A SubscribeConfig says what is wanted of a track, and how urgently
// (moq-lite-06, "SUBSCRIBE" and "SUBSCRIBE_UPDATE"). The zero value asks for
// all groups that the publisher has and that are not too old, and for those
// that follow, at normal priority.
//
// Ranges are half-open; 0 means no bound.
type SubscribeConfig struct {
	// Priority ranks this subscription among the session's.
	Priority Priority

	// MaxLatency is how far behind the newest group an older one may be before
	// it is skipped or reset, in whole milliseconds. 0 leaves it to the
	// publisher; a negative one asks for the newest group only.
	MaxLatency time.Duration

	// StartGroup is the first group wanted. 0 is the oldest that the publisher
	// holds and that is within the max age: the lesser of MaxLatency and the
	// publisher's own, in the time of the media's timestamps. [GroupLatest] is
	// the newest group that the publisher has, then those that follow. With a
	// number, groups from there on that the publisher does not have are a
	// [Gap]; with 0 and GroupLatest, the first group that comes is the start.
	// In an Update, GroupLatest leaves the start where it is.
	StartGroup GroupSequence

	// EndGroup is the first group not wanted; 0 is no bound. When it is
	// reached, the subscription pauses: AcceptGroup waits for an Update that
	// raises it.
	EndGroup GroupSequence

	// StartFrame is the first frame wanted of StartGroup, EndFrame the first
	// not wanted of group EndGroup-1 (and needs EndGroup). From moq-lite-06 on;
	// [ErrNotSupported] before.
	StartFrame, EndFrame uint64

	// Resume has a group that breaks off, because its session is lost or the
	// way to its publisher is, go on at its next frame, in the same
	// GroupReader: each frame comes once and in order, so that a log, which is
	// one group that never ends, survives. A frame that had come in part comes
	// again, and its reader goes on behind that part. It is for sessions that
	// reconnect (package redial), which hide the break for as long as they
	// resume the track; others ignore it. It is fixed by Subscribe: an Update
	// does not change it.
	//
	// The newest group is subscribed to again, from that frame on with
	// moq-lite-06 and as a whole before, and others are fetched, which needs
	// moq-lite-05. A group that is not available any more ends with an error
	// that wraps the break's and that of the fetch, such as [ErrNotFound] or
	// [ErrNotSupported]; one whose track begins anew with [ErrRestarted].
	// moq-lite-03 does not tell who publishes: with Resume, whoever does after
	// the break is taken for the same publisher.
	Resume bool
}

// A TrackInfo describes a track (moq-lite-06, "TRACK_INFO"; from 05 on). It
// does not change during the track's life.
type TrackInfo struct {
	// Priority ranks the track among those that a subscriber gave the same
	// priority.
	Priority Priority

	// MaxLatency is how long the publisher keeps a group after a newer one. As
	// an answer of [InfoHandler], 0 is 5 seconds.
	MaxLatency time.Duration

	// Timescale is the number of timestamp units per second; 0 is 1000.
	Timescale uint64
}

// A TrackRequest is a peer's request for a track (moq-lite-06, "SUBSCRIBE" or
// "TRACK").
type TrackRequest struct {
	// Path is the broadcast's path: the one that is published, or with
	// [TrackMux.PublishBelow] one below it.
	Path BroadcastPath

	// Name is the track's name. The handler must check whether there is such a
	// track.
	Name TrackName

	// Config is what the subscriber wants; zero in a request for TrackInfo.
	Config SubscribeConfig

	// Session is the session that the request came by; nil if the program
	// itself makes it, as in tests.
	Session Session
}

// A FetchRequest asks for one group of a track (moq-lite-06, "FETCH"; from 05
// on).
type FetchRequest struct {
	// Path is the broadcast's path.
	Path BroadcastPath

	// Name is the track's name.
	Name TrackName

	// Group is the number of the group; [GroupLatest] has no meaning here.
	Group GroupSequence

	// StartFrame is the first frame wanted, EndFrame the first not wanted; zero
	// is no bound. Other values need moq-lite-06: [ErrNotSupported] before.
	StartFrame, EndFrame uint64

	// Priority ranks the fetch among the session's fetches and subscriptions.
	Priority Priority

	// Session is the session that the request came by. In a call of
	// [Subscriber].Fetch, it is the downstream session for which a relay
	// fetches: groups that this session does not read take room from its own
	// fetches first. nil is the program itself.
	Session Session
}

// A Gap is a range of groups [Start, End) that will not come, and the reason,
// if known (moq-lite-06, "SUBSCRIBE_DROP").
type Gap struct {
	// Start is the first group that will not come, End the first one after it
	// of which that is not said.
	Start, End GroupSequence

	// Err is the reason, mostly a [*StreamError] with the publisher's code; nil
	// if none was told. [ErrOtherSubscriber] means that nothing is lost: the
	// numbers were given to other subscribers, as in tracks of
	// [TrackMux.PublishFunc].
	Err error
}

// A TrackReader reads a subscription (moq-lite-06, "SUBSCRIBE"). One goroutine
// at a time may call AcceptGroup, and one ReceiveDatagram; the other methods
// may be called by any.
//
//	for group, err := range api.Groups(ctx, track) {
//		if err != nil {
//			return err
//		}
//		go read(group) // an old group does not hold up a new one
//	}
//
// Groups come in any order. A group that is not accepted or read in time is
// dropped, so that the session's other tracks go on: see Gaps.
type TrackReader interface {
	// AcceptGroup waits for the next group, in order of arrival: of groups that
	// are written at once, the newest mostly arrives first. Read groups in
	// parallel, or see [Ordered]. After the track's last group it returns
	// io.EOF; if the subscription is refused or aborted, a remote
	// [*StreamError].
	//
	// A group that has been received is returned even if ctx is done, so that
	// nothing is missed by a ctx that bounds how long to wait. A loop that is
	// slower than the publisher may thus never see ctx's end: it should look
	// at ctx itself.
	//
	// On a session that reconnects (package redial), it returns a
	// [*RestartError] when the groups that follow have new numbers; the caller
	// then goes on calling AcceptGroup. If the track's newest group breaks off
	// with the connection, it comes again after its first GroupReader has
	// returned an error: as another GroupReader of the same number, from the
	// first frame that was not read completely (FirstFrame tells which). A
	// group that was read to its end never comes again. With
	// [SubscribeConfig].Resume, a group goes on in its first GroupReader.
	//
	// Groups that wait here are bounded: if they hold more than their share of
	// the session's memory, the oldest are cancelled and become a [Gap].
	AcceptGroup(ctx context.Context) (GroupReader, error)

	// ReceiveDatagram waits for the next datagram and fills d, reusing the
	// capacity of d.Payload. Few datagrams wait: the oldest is dropped then,
	// and counted in [SessionStats].
	ReceiveDatagram(ctx context.Context, d *Datagram) error

	// Gaps returns the groups known not to come since the last call, in order:
	// they are lost, or for others ([ErrOtherSubscriber]), and none of them came.
	// Neighbours with the same error are merged. It never blocks. If it is not called, mostly the newest 4,096
	// gaps are kept; if there were more, an empty gap (its Start is its End)
	// comes first, whose error, an [ErrTooFarBehind], tells how many more
	// groups were lost.
	//
	// A publisher reports its losses with SUBSCRIBE_DROP, in all versions, and
	// from moq-lite-05 on with SUBSCRIBE_START if the track begins later than
	// asked. Groups that a publisher leaves out without a report, as moq-relay
	// does, are known as lost only at the end of the track: until then they may
	// still come.
	Gaps() []Gap

	// Info describes the track.
	Info() TrackInfo

	// Update changes what is wanted from now on (moq-lite-06,
	// "SUBSCRIBE_UPDATE"). It never blocks: while the publisher cannot be told,
	// only the newest of several updates is kept.
	Update(config *SubscribeConfig) error

	// Close unsubscribes and cancels the groups that are still read. It does
	// not wait for the publisher. Blocked and later calls return [ErrClosed].
	Close() error

	// Context ends when no more groups will come: at the track's end, at Close,
	// or with the session.
	Context() context.Context
}

// A TrackHandler serves subscriptions (moq-lite-06, "SUBSCRIBE"), as an
// http.Handler serves requests. A handler that also implements [InfoHandler]
// describes its tracks, and one that implements [FetchHandler] serves single
// groups.
//
//	func (c camera) ServeTrack(w api.TrackWriter) {
//		for picture := range c.pictures(w.Context()) {
//			group, err := w.OpenGroup(w.Context())
//			if err != nil {
//				return // the subscriber has left
//			}
//			_ = group.WriteFrame(picture)
//			_ = group.Close()
//		}
//	}
type TrackHandler interface {
	// ServeTrack serves one subscription and returns when the track has ended
	// for it: returning is w.Close, and resets groups that are still open. It
	// must not use w after that. It is called in a goroutine of its own, once
	// for each subscription. A panic fails the subscription with
	// [StreamInternal].
	ServeTrack(w TrackWriter)
}

// TrackHandlerFunc adapts a function to a [TrackHandler].
type TrackHandlerFunc func(w TrackWriter)

// ServeTrack calls f.
func (f TrackHandlerFunc) ServeTrack(w TrackWriter) { f(w) }

// An InfoHandler is a [TrackHandler] that describes its tracks (moq-lite-06,
// "TRACK_INFO"; on 03 and 04, which have none, it can only refuse them).
// Without it, every track exists and has the zero TrackInfo (priority 0, 5
// seconds, milliseconds).
type InfoHandler interface {
	// TrackInfo describes the requested track, or refuses it: [ErrNotFound] if
	// there is none. ctx ends with the request.
	TrackInfo(ctx context.Context, req TrackRequest) (TrackInfo, error)
}

// A FetchHandler is a [TrackHandler] that serves single groups (moq-lite-06,
// "FETCH"; from 05 on). Without it, every fetch is answered as not found.
type FetchHandler interface {
	// ServeFetch writes all frames of the requested group: the session leaves
	// out those outside the request's bounds. Returning before w.Close resets
	// the answer.
	ServeFetch(w GroupWriter, req FetchRequest)
}

// A LatestHandler is a [TrackHandler] that knows the newest group of a track
// better than its [Publication], which only knows the numbers opened so far. It
// is called when a subscriber wants to begin at the newest group; if there is
// none yet, the handler sees [GroupLatest] as StartGroup.
type LatestHandler interface {
	// LatestGroup returns the newest group; false if there is none yet. It must
	// not block.
	LatestGroup(name TrackName) (GroupSequence, bool)
}

// TrackFuncs makes a handler from functions. A nil function is replaced by the
// default of its interface.
type TrackFuncs struct {
	// Serve is [TrackHandler]'s ServeTrack; nil: no track can be subscribed to.
	Serve func(w TrackWriter)

	// Info is [InfoHandler]'s TrackInfo; nil: every track exists, with the zero
	// description.
	Info func(ctx context.Context, req TrackRequest) (TrackInfo, error)

	// Fetch is [FetchHandler]'s ServeFetch; nil: no group is found.
	Fetch func(w GroupWriter, req FetchRequest)
}

// ServeTrack implements [TrackHandler]; without Serve, the track is not found.
func (f TrackFuncs) ServeTrack(w TrackWriter) {
	if f.Serve == nil {
		_ = w.CloseWithError(StreamNotFound)
		return
	}
	f.Serve(w)
}

// TrackInfo implements [InfoHandler].
func (f TrackFuncs) TrackInfo(ctx context.Context, req TrackRequest) (TrackInfo, error) {
	if f.Info == nil {
		return TrackInfo{}, nil
	}
	return f.Info(ctx, req)
}

// ServeFetch implements [FetchHandler].
func (f TrackFuncs) ServeFetch(w GroupWriter, req FetchRequest) {
	if f.Fetch == nil {
		w.Cancel(StreamNotFound)
		return
	}
	f.Fetch(w, req)
}

// A TrackSink takes the groups of a track: the [TrackWriter] of one subscriber,
// or a live track with many. Several groups may be open at once, each written
// by a goroutine of its own.
//
//	group, err := sink.OpenGroup(ctx)
//	if err != nil {
//		return err // nobody wants the track any more
//	}
//	err = errors.Join(group.WriteFrame(frame), group.Close())
//
// A reader can begin at any group: in video, a group is a key frame and the
// frames that depend on it. Code that writes to a TrackSink can serve one
// subscriber, or all of them.
type TrackSink interface {
	// OpenGroup opens the track's next group; the subscribers of a publication
	// share its numbers. The numbers that others have taken since the last
	// group of a [TrackWriter] cannot be opened there any more: its subscriber
	// is told that they are not for it, by a [Gap] with [ErrOtherSubscriber]. It
	// does not wait for the network. Some readers refuse groups of more than
	// 1,000 frames (see [GroupWriter]).
	OpenGroup(ctx context.Context) (GroupWriter, error)

	// OpenGroupAt opens the group of a given number. Each number can be opened
	// once. A group outside the range that the subscriber asks for opens as any
	// other, and nothing of it is sent; if the subscriber then asks for it, it
	// gets a [Gap] with [ErrTooFarBehind].
	OpenGroupAt(ctx context.Context, seq GroupSequence) (GroupWriter, error)

	// SendDatagram sends a group of one frame, unreliably (moq-lite-05 and 06),
	// with the track's next number, or d.Sequence if that is not 0. It never
	// blocks, keeps nothing of d, and drops the oldest datagram when its queue
	// is full. Above 1,200 bytes it returns [ErrDatagramTooLarge].
	SendDatagram(d Datagram) error

	// SendDatagramAt sends a datagram with the number seq, which may be 0, and
	// ignores d.Sequence. No reader gets a number twice: a datagram whose
	// number a group or a datagram has had is not passed on.
	SendDatagramAt(seq GroupSequence, d Datagram) error

	// Close ends the track: subscribers read the groups, which are finished
	// first, and then io.EOF (moq-lite-06, "SUBSCRIBE_END").
	Close() error

	// CloseWithError aborts the track: open groups are reset, and subscribers
	// get code as a remote [*StreamError].
	CloseWithError(code StreamErrorCode) error

	// Context ends when nobody wants the track any more, or when it has ended.
	// If a subscriber reads so little that its losses cannot be reported any
	// more, its subscription ends with the cause [ErrTooFarBehind].
	Context() context.Context
}

// A GapWriter is a [TrackSink] that can be told which groups will not come, for
// writers that pass groups on or leave some out: the readers of the track get a
// [Gap]. The TrackWriter of a session is a GapWriter, which sends
// SUBSCRIBE_DROP (moq-lite-03 to 06), and so is a live track.
//
//	if w, ok := sink.(api.GapWriter); ok {
//		err = w.WriteGap(gap)
//	}
type GapWriter interface {
	// WriteGap says that the groups of g that were not opened yet never will
	// be: opening one of them later fails, and OpenGroup goes on above them. It
	// does not affect groups that were opened. A subscriber is not told of
	// groups outside its range. Readers get the stream code of g.Err, or
	// [StreamNotFound] if g.Err is nil. WriteGap does not wait for the network,
	// and may be called while groups are written.
	WriteGap(g Gap) error
}

// A TrackWriter serves one subscription (moq-lite-06, "SUBSCRIBE"). It belongs
// to the call of ServeTrack that it is passed to, and ends when that returns.
type TrackWriter interface {
	TrackSink

	// Request returns the subscription, with its current config.
	Request() TrackRequest

	// Updated receives a value when the subscriber has changed its config.
	// Several changes may be merged into one. It is for one receiver.
	Updated() <-chan struct{}
}

// An OriginHandler is a [TrackHandler] that passes on what a session has
// announced. Its broadcasts are not announced back to that session. When their
// publication ends, no new subscriptions come, but the handler goes on serving
// those that it has until it ends them: a publisher may withdraw a broadcast
// before its last groups have arrived.
type OriginHandler interface {
	// Origin returns the session that the tracks come from now; nil if there is
	// none.
	Origin() Session
}

// A BelowHandler is a [TrackHandler] that also serves the paths below its own,
// each by a handler of its own. It is for programs that pass broadcasts on;
// others use [TrackMux.PublishBelow].
type BelowHandler interface {
	// Below returns the handler for a path below that of the publication. It
	// must not block. If there is nothing at the path, the handler that it
	// returns refuses.
	Below(path BroadcastPath) TrackHandler
}
