package api

import (
	"context"
	"time"
)

// A Priority ranks subscriptions and fetches of a session against each other:
// higher is served first when the link cannot carry all. 0 is normal, -127 the
// lowest, 128 the highest; what lies beyond is taken as the nearest of these.
type Priority int16

// A SubscribeConfig says what of a track is wanted, and how urgently. The zero
// value asks for all that the publisher has and is not too old, and for what
// follows, at normal priority.
//
// Ranges are half-open and 0 means no bound.
type SubscribeConfig struct {
	// Priority among the session's subscriptions.
	Priority Priority

	// MaxLatency is how far behind the newest group an older one may be before
	// it is skipped or reset, to the millisecond. 0 leaves it to the
	// publisher; negative asks for the newest group only.
	MaxLatency time.Duration

	// StartGroup is the first group wanted. 0 is the oldest that the publisher
	// holds and that is within the max age, which is the lesser of MaxLatency
	// and the publisher's own, counted by the timestamps of the media;
	// [GroupLatest] is the newest at hand, and the live edge from there. With a
	// number, groups from there on that the publisher does not have are a [Gap];
	// with 0 and GroupLatest, the first group to come is the first. In an
	// Update, GroupLatest leaves the start where it is.
	StartGroup GroupSequence

	// EndGroup is the first group not wanted; 0 is no bound. Reaching it
	// pauses the subscription: AcceptGroup waits for an Update that raises it.
	EndGroup GroupSequence

	// StartFrame is the first frame wanted of StartGroup, EndFrame the first
	// not wanted of group EndGroup-1 (and needs EndGroup). moq-lite-06 on;
	// [ErrNotSupported] before.
	StartFrame, EndFrame uint64
}

// A TrackInfo describes a track. It does not change during the track's life.
type TrackInfo struct {
	// Priority ranks the track among others of one subscriber's priority.
	Priority Priority

	// MaxLatency is the longest that the publisher keeps a group behind the
	// newest. As an answer of [InfoHandler], 0 is 5 seconds.
	MaxLatency time.Duration

	// Timescale is the units a second in which frames are stamped; 0 is 1000.
	Timescale uint64
}

// A TrackRequest is a peer's question for a track.
type TrackRequest struct {
	// Path is that of the broadcast: where it is published, or below that with
	// [TrackMux.PublishBelow].
	Path BroadcastPath

	// Name is that of the track; nobody has checked whether there is such a
	// track.
	Name TrackName

	// Config is what the subscriber wants; zero in a request for TrackInfo.
	Config SubscribeConfig

	// Session is who asks; nil where it is the program itself, as in tests.
	Session Session
}

// A FetchRequest asks for one group of a track (FETCH, moq-lite-05 on).
type FetchRequest struct {
	// Path is that of the broadcast.
	Path BroadcastPath

	// Name is that of the track.
	Name TrackName

	// Group is the number of the group; [GroupLatest] means nothing here.
	Group GroupSequence

	// StartFrame is the first frame wanted, EndFrame the first not wanted; zero
	// is no bound. Others need moq-lite-06: [ErrNotSupported] before.
	StartFrame, EndFrame uint64

	// Priority ranks the fetch among the session's fetches and subscriptions.
	Priority Priority

	// Session is who asks. In [Subscriber].Fetch it is on whose behalf, for
	// programs that pass fetches on: what a session downstream does not read
	// takes room from its own fetches first. nil is the program itself.
	Session Session
}

// A Gap is a run of groups [Start, End) that will not come, and why, if that
// is known.
type Gap struct {
	// Start is the first group that is lost, End the first one after it that is
	// not.
	Start, End GroupSequence

	// Err is why: mostly a [*StreamError] with the publisher's code. Nil where
	// nobody has told.
	Err error
}

// A TrackReader reads a subscription. One goroutine at a time calls
// AcceptGroup, and one ReceiveDatagram; the other methods are for any.
//
//	for group, err := range api.Groups(ctx, track) {
//		if err != nil {
//			return err
//		}
//		go read(group) // an old group does not hold up a new one
//	}
//
// Groups come in any order. What is not accepted or read in time is given up, so
// that the session's other tracks go on: see Gaps.
type TrackReader interface {
	// AcceptGroup waits for the next group, in order of arrival: read groups
	// in parallel. After the track's last it returns io.EOF; a refused or
	// aborted subscription is a remote [*StreamError]. On a lasting session it
	// returns a [*RestartError] where the groups that follow are numbered anew;
	// after it, AcceptGroup is called again as before. There, the track's newest
	// group comes again if it breaks off with its session: as another GroupReader
	// of the same number, after the first one has returned an error, from the
	// first frame that was not read wholly (FirstFrame tells which). A group that
	// was read to its end never comes again.
	//
	// Groups that wait here are bounded: when they hold more than their share
	// of the session's memory, the oldest are cancelled and become a [Gap].
	AcceptGroup(ctx context.Context) (GroupReader, error)

	// ReceiveDatagram waits for the next datagram and fills d, reusing the
	// capacity of d.Payload. What waits is bounded: the oldest is dropped, and
	// counted in [SessionStats].
	ReceiveDatagram(ctx context.Context, d *Datagram) error

	// Gaps returns the groups known to be lost since the last call, in order:
	// they will not come, and no group that came is among them. Neighbours with
	// one cause are merged. It never blocks. What nobody asks for is bounded, to
	// the newest 4,096 gaps as a rule: if there were more, a gap without a group
	// comes first (its Start is its End) whose error, an [ErrTooFarBehind], tells
	// how many groups more were lost.
	//
	// A publisher tells its losses (SUBSCRIBE_DROP, in all versions; and from
	// moq-lite-05 on SUBSCRIBE_START, where what was asked for begins later).
	// What one leaves out without a word, as moq-relay does, is known at the end
	// of the track: while that goes on it may still come.
	Gaps() []Gap

	// Info describes the track.
	Info() TrackInfo

	// Update changes what is wanted from now on. It never blocks: while the
	// publisher cannot be told, the newest of several updates is left to tell.
	Update(config *SubscribeConfig) error

	// Close unsubscribes and cancels the groups that are still read. It does
	// not wait for the publisher. Blocked and later calls return [ErrClosed].
	Close() error

	// Context ends when no more groups will come: at the track's end, at
	// Close, or with the session.
	Context() context.Context
}

// A TrackHandler answers subscriptions (SUBSCRIBE), as an http.Handler answers
// requests. One that also implements [InfoHandler] describes its tracks, and one
// that implements [FetchHandler] serves single groups.
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
	// for it: returning is w.Close, and resets groups that are still open. w
	// is not used after it. It is called in a goroutine of its own, once a
	// subscription. A panic fails the subscription with [StreamInternal].
	ServeTrack(w TrackWriter)
}

// TrackHandlerFunc adapts a function to a [TrackHandler].
type TrackHandlerFunc func(w TrackWriter)

// ServeTrack calls f.
func (f TrackHandlerFunc) ServeTrack(w TrackWriter) { f(w) }

// An InfoHandler is a [TrackHandler] that describes its tracks (TRACK_INFO from
// moq-lite-05 on; before, it may only refuse them). Without it,
// every track is there and has the zero TrackInfo (priority 0, 5 seconds,
// milliseconds).
type InfoHandler interface {
	// TrackInfo describes the track asked for, or refuses it: [ErrNotFound]
	// where there is none. ctx ends with the request.
	TrackInfo(ctx context.Context, req TrackRequest) (TrackInfo, error)
}

// A FetchHandler is a [TrackHandler] that serves single groups (FETCH, from
// moq-lite-05 on). Without it,
// every fetch is answered as not found.
type FetchHandler interface {
	// ServeFetch writes the frames of the group asked for, all of them: the
	// session leaves out those outside the request's bounds. Returning before
	// w.Close resets the answer.
	ServeFetch(w GroupWriter, req FetchRequest)
}

// A LatestHandler is a [TrackHandler] that knows the newest group of a track
// better than the numbers which it has opened tell. It is asked when a
// subscriber wants to begin there; while there is none, its subscriptions have
// [GroupLatest] as StartGroup.
type LatestHandler interface {
	// LatestGroup returns the newest group; false when there is none yet. It
	// does not block.
	LatestGroup(name TrackName) (GroupSequence, bool)
}

// TrackFuncs makes a handler of functions. A nil one is the default of its
// interface.
type TrackFuncs struct {
	// Serve is [TrackHandler]'s ServeTrack; nil: there is no track to subscribe
	// to.
	Serve func(w TrackWriter)

	// Info is [InfoHandler]'s TrackInfo; nil: every track is there, with the
	// zero description.
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

// A TrackSink is where the groups of a track are put: one subscriber's
// [TrackWriter], or a live track with many. Several groups may be open at
// once, each written by a goroutine of its own.
//
//	group, err := sink.OpenGroup(ctx)
//	if err != nil {
//		return err // nobody wants the track any more
//	}
//	err = errors.Join(group.WriteFrame(frame), group.Close())
//
// A group is where a reader may begin: of video, a key frame and what depends on
// it. Code that takes a TrackSink serves one subscriber, or all of them.
type TrackSink interface {
	// OpenGroup opens the track's next group; numbers are taken across all
	// subscribers of a publication. It does not wait for the network. Not all
	// readers take groups of more than 1,000 frames (see [GroupWriter]).
	OpenGroup(ctx context.Context) (GroupWriter, error)

	// OpenGroupAt opens the group of a number; each number is opened once.
	OpenGroupAt(ctx context.Context, seq GroupSequence) (GroupWriter, error)

	// SendDatagram sends a group of one frame, unreliably, with the track's next
	// number, or d.Sequence if that is not 0. It never blocks, keeps nothing of
	// d, and drops the oldest datagram when its queue is full. Above 1,200 bytes
	// it is [ErrDatagramTooLarge].
	SendDatagram(d Datagram) error

	// SendDatagramAt sends a datagram with a number of the caller's, 0
	// included, whatever d.Sequence is. No reader gets a number twice: what is
	// sent with one that a group or a datagram has had is not passed on.
	SendDatagramAt(seq GroupSequence, d Datagram) error

	// Close ends the track: after the groups, which are finished first,
	// subscribers read io.EOF.
	Close() error

	// CloseWithError aborts the track: groups that are open are reset, and
	// subscribers get code as a remote [*StreamError].
	CloseWithError(code StreamErrorCode) error

	// Context ends when nobody wants the track any more, or its life is over.
	// A subscriber that takes nothing in, so that what is lost cannot be told
	// it any more, has ended its subscription: the cause is [ErrTooFarBehind].
	Context() context.Context
}

// A GapWriter is a [TrackSink] that can be told what will not come, for writers
// that pass groups on or leave some out: the readers of the track learn of it as
// a [Gap]. The TrackWriter of a session is one, which sends SUBSCRIBE_DROP
// (moq-lite-03 to 06), and so is a live track.
//
//	if w, ok := sink.(api.GapWriter); ok {
//		err = w.WriteGap(gap)
//	}
type GapWriter interface {
	// WriteGap says that the groups of g that have not been opened will not be:
	// opening one of them later fails, and OpenGroup goes on above them. Groups
	// that have been opened are not concerned, whatever becomes of them. What
	// lies outside the range of a subscriber is not told to it. Readers learn
	// the stream code of g.Err, [StreamNotFound] where it is nil. WriteGap does
	// not wait for the network, and may be called while groups are written.
	WriteGap(g Gap) error
}

// A TrackWriter serves one subscription. It belongs to the call of ServeTrack
// that it was made for, and ends with that.
type TrackWriter interface {
	TrackSink

	// Request is the subscription, with its config as it is now.
	Request() TrackRequest

	// Updated receives when the subscriber has changed its config. It is
	// coalesced, for one receiver.
	Updated() <-chan struct{}
}

// An OriginHandler is a [TrackHandler] that passes on what a session has
// announced. Its broadcasts are not announced back to that session. When their
// publication ends, no more subscriptions come, but those that are served live
// on until the handler ends them: a publisher may withdraw a broadcast whose
// last groups are still under way.
type OriginHandler interface {
	// Origin is the session that the tracks come from now; nil is none.
	Origin() Session
}

// A BelowHandler is a [TrackHandler] that answers for the paths below its own
// too, each by a handler of its own. It is for who passes broadcasts on: others
// have [TrackMux.PublishBelow].
type BelowHandler interface {
	// Below returns the handler for a path below that of the publication. It
	// does not block; whether there is anything at the path is the handler's
	// to tell.
	Below(path BroadcastPath) TrackHandler
}
