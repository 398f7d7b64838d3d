// Package api is what applications import to move live media and data over MoQ
// Lite:
//
//	session, err := client.Dial(ctx, "https://relay.example.com", mux) // mux: what we publish
//	track, err := session.Subscribe(ctx, "room/clock", "time", nil)
//	group, err := track.AcceptGroup(ctx)
//	err = group.ReadFrame(&frame)
//
// It has the interfaces, value types and errors, and the logic that needs no
// network. It depends on the standard library alone. Package impl has the
// implementation, package wire builds it, and package mocks has a mock of every
// interface here.
//
// # For applications
//
// To connect: [Client], which is a [Dialer], and [Server]; [Config] and
// [Limits] set up the sessions of either. A connection is a [Session]; its
// receiving half is a [Subscriber].
//
// To publish: a [TrackMux] maps each [BroadcastPath] to a [TrackHandler], such
// as [TrackFuncs], [Tracks] or a Broadcast of package impl/live; programs with
// one publication can use [Publish]. A handler opens groups in a [TrackWriter],
// which is a [TrackSink], and writes frames to each [GroupWriter]; [WriteGroup]
// does all that for a group. A handler may also implement [InfoHandler] and
// [FetchHandler].
//
// To subscribe: iterate over the [Announcements] of an [AnnouncementReader],
// over the [Groups] of a [TrackReader] and over the [Frames] of a
// [GroupReader], or call the readers' methods where speed matters.
// [SubscribeConfig] says what is wanted, [SubscribeWhenAnnounced] waits for the
// publisher, [EachBroadcast] follows many, [Ordered] has the groups by number,
// [Newest] the newest alone, [FramesOf] the frames of either, and a [Gap] tells
// which were lost.
//
// Who may do what: an [AdmitRequest] is answered with a
// [Grant], in which a [Pattern] names broadcasts.
//
// Errors: [ErrNotFound] and the other sentinels, [*SessionError],
// [*StreamError], [*DialError], and the [*RestartError] of sessions that
// reconnect.
//
// # For relays and transports
//
// A program that passes on what others publish needs more than an application.
// [TrackMux.Announce] and [TrackMux.Update] keep the [Hop] list and the costs
// of an [Announcement]; [CompareRoutes] ranks them. By [OriginHandler],
// [BelowHandler] and [LatestHandler], a handler tells a session where its
// tracks come from and what it holds. A [GapWriter] is told which groups will
// not come. [CopyGroup] and [SharedWriter] pass frames on without keeping them.
// An [AnnouncementSet] holds what is announced, and a [Publication] numbers its
// groups: a TrackMux is made of these two, and so is an implementation of
// Session. Transports are in package transport; of this package they only use
// [Version].
//
// # Model
//
// A [Session] connects two peers, mostly a client and a relay. A broadcast,
// named by a [BroadcastPath], is a set of tracks. A track is a sequence of
// groups, numbered by [GroupSequence]. A group is a sequence of frames,
// delivered in order on a stream of its own. A [Frame] is a timestamp and
// bytes. Groups arrive independently of each other: in any order, late, or not
// at all.
//
// A publisher answers requests: a [TrackMux] maps paths to handlers, is passed
// to [Dialer.Dial] or to a server, and announces its paths to the peer. Its
// [TrackHandler] is called once for each subscription, with a [TrackWriter] for
// the groups. A subscriber learns from [Subscriber.Announcements] which
// broadcasts there are, and reads a track of one by [Subscriber.Subscribe]. The
// protocol does not list a broadcast's tracks: their names come from a catalog
// or a convention.
//
// # Data rather than video
//
// What the protocol does by itself suits video: the newest first, and what is
// too old is left out. Programs that move readings, states, commands or logs
// have to know this.
//
// Order. Within a group, frames come in order and without a hole. Between
// groups there is no order: of ten that are written at once, the newest mostly
// arrives first, and the first one last. [Ordered] has them by number. Where only
// the newest state counts, [Newest] leaves out what is older than what was read.
//
// What goes into a group. A group is delivered whole, or its reader gets an
// error; a reader can join at any group, and at no frame between. So a reading
// that stands for itself is a group of one frame ([WriteGroup]). A state and its
// changes are a group each time the whole state is written anew. A log that
// nobody may miss a line of is one group that never ends, which is read with
// [SubscribeConfig].Resume over a session that reconnects; see [GroupWriter]
// for how long a group may be where readers join late.
//
// Group 0. Numbers begin with 0, and a StartGroup of 0 is no number: it asks for
// all that the publisher holds and that is not too old, which is what a reader of
// data mostly wants. [GroupLatest] begins with the newest group. A handler of
// [TrackMux.PublishFunc] that writes group 0 at its start writes it for whoever
// subscribes first.
//
// Lossy and reliable. Streams are reliable, but a group is given up when it is
// older than the max age: the lesser of the subscriber's MaxLatency and the
// publisher's [TrackInfo], which is 5 seconds if it says nothing, reckoned from
// the newest group by the frames' timestamps. A publisher whose data must not be
// lost answers a large MaxLatency, and stamps frames with the wall clock
// ([TrackInfo.Timestamp]). Readers that fall behind lose groups too, the oldest
// first, by [Limits]. Every loss is told, as a [Gap], and can be asked for by
// [Subscriber.Fetch] from a publisher that still holds it. Datagrams are for
// what is worthless a moment later: up to some 1,150 bytes, unordered, and lost
// without a word.
//
// PublishFunc or live.Broadcast. A handler of [TrackMux.PublishFunc] runs once
// for each subscription, and writes for that one alone: it suits what is made for
// its reader, such as answers and queries. All subscriptions of a track share its
// numbers: of two that are written groups in turn, one gets the even numbers and
// the other the odd ones. Each is told of the other's, when it gets its own next
// one, as a [Gap] with [ErrOtherSubscriber], which is no loss; [Ordered] passes
// over them. A moq-relay between the two does not pass that on: the numbers of
// others then look like losses. Where all subscribers are to get the same, publish a Broadcast of
// package impl/live: what is written once goes to all of them, to those who come
// later as far as it is held, and by Fetch.
//
// # Lifetimes
//
// A ctx bounds the call that it is passed to; when it ends, the error wraps its
// cause. A subscription lasts until its Close, the end of its track, or the end
// of its session. The one exception is [TrackMux.Publish]: its ctx bounds the
// publication.
//
// A session ends by [Session.Terminate], by its client's Close or Shutdown, by
// the peer, or with the network; [Session.Context] tells when and why.
// Client.Close is immediate and may lose what the peer has not read.
// Client.Shutdown asks the peer to leave, finishes what is being served, and
// then closes.
//
// # Concurrency
//
// A client, a session and a mux may be used by any number of goroutines. The
// methods of a reader or a writer that move data are for one goroutine at a
// time; Close, Cancel, CloseWithError, Update and Context may be called by any
// goroutine at any time, and unblock the others. Handlers may call anything.
// Read the groups of a track in parallel if an old group must not delay a new
// one.
//
// # Ownership of bytes
//
// A writer keeps nothing of a payload after its method has returned. A reader
// fills the caller's buffer: [GroupReader.ReadFrame] and
// [TrackReader.ReceiveDatagram] reuse the capacity of Payload, so each call
// overwrites what the one before returned.
//
// # Errors
//
// Sentinels ([ErrNotFound], [ErrClosed], …) are states, matched with errors.Is;
// [*SessionError], [*StreamError] and [*DialError] are facts, matched with
// errors.As. Errors are the same over every transport.
//
// At the end of a group, a track or a set of announcements, the error is io.EOF
// itself. The error of a lost session or of a reset never matches io.EOF: after
// any error but io.EOF, data may be missing.
package api
