// Package api is what applications import to move live media and data over
// MoQ Lite:
//
//	session, err := client.Dial(ctx, "https://relay.example.com", mux) // mux: what we publish
//	track, err := session.Subscribe(ctx, "room/clock", "time", nil)
//	group, err := track.AcceptGroup(ctx)
//	err = group.ReadFrame(&frame)
//
// It has interfaces, value types, errors, and the logic that needs no network,
// and depends on the standard library alone. Package impl has the
// implementation, package wire builds it, package mocks has a mock of every
// interface here.
//
// # For applications
//
// To connect: [Client], which is a [Dialer], and [Server]; [Config] and [Limits]
// set up the sessions of either. What is connected is a [Session], and its
// receiving half a [Subscriber].
//
// To publish: a [TrackMux] ([Publish] has one for programs with one publication)
// maps each [BroadcastPath] to a [TrackHandler], such as [TrackFuncs] or
// impl/live's Broadcast. It puts groups into a [TrackWriter], which is a
// [TrackSink], and frames into a [GroupWriter]. [InfoHandler] and [FetchHandler]
// are what else a handler may do.
//
// To subscribe: [Announcements] of an [AnnouncementReader], [SubscribeConfig],
// [Groups] of a [TrackReader] and [Frames] of a [GroupReader], or their methods on
// hot paths. [SubscribeWhenAnnounced] waits for the publisher. What was lost is a
// [Gap].
//
// When it fails: [ErrNotFound] and the other sentinels, [*SessionError],
// [*StreamError], [*DialError], and [*RestartError] of sessions that last.
//
// # For relays and transports
//
// Who passes on what others publish needs more than an application:
// [TrackMux.Announce] and [TrackMux.Update] keep the [Hop] list and the costs of an
// [Announcement], which [CompareRoutes] ranks; [OriginHandler], [BelowHandler] and
// [LatestHandler] tell a session what a handler knows of where its tracks come
// from; [GapWriter] tells what will not come, and [CopyGroup] and [SharedWriter]
// pass frames on without keeping them. An [AnnouncementSet] holds what is
// announced, and a [Publication] the numbers of its groups: a mux, and an
// implementation of Session, are made of them. Transports are package
// transport's; of here they only see what a [Version] is called.
//
// # Model
//
// A [Session] connects two peers, mostly a client and a relay. A broadcast,
// named by a [BroadcastPath], is a set of tracks; a track is a run of groups,
// numbered by a [GroupSequence]; a group is a run of frames, delivered in
// order on a stream of its own; a [Frame] is a timestamp and bytes. Groups
// arrive independently of each other: in any order, late, or not at all.
//
// Publishing is answering: a [TrackMux] maps paths to handlers, is passed to
// [Dialer.Dial] (or to a server), and announces its paths to the peer. A
// [TrackHandler] is called once a subscription, with a [TrackWriter] to put
// groups into. Subscribing is [Subscriber.Announcements] to learn which
// broadcasts there are and [Subscriber.Subscribe] to read a track of one.
// Nothing lists a broadcast's tracks: their names come from a catalog or a
// convention.
//
// # Lives
//
// A ctx bounds the call that it is given to; when it ends, the error wraps
// its cause. A subscription lives until its Close, its end, or its session's.
// The one exception is [TrackMux.Publish], whose ctx is the publication's
// life.
//
// A session ends by [Session.Terminate], by its client's Close or Shutdown,
// by the peer, or with the network; [Session.Context] tells when and why.
// Client.Close is immediate and may lose what the peer has not read;
// Client.Shutdown asks the peer to leave, finishes what is being served, and
// then closes.
//
// # Concurrency
//
// A client, a session and a mux may be used from any number of goroutines. A
// reader's or a writer's data methods are for one goroutine at a time; Close,
// Cancel, CloseWithError, Update and Context may be called from any, at any
// time, and unblock the rest. Handlers may call anything. Read the groups of a
// track in parallel when an old one must not hold up a new one.
//
// # Ownership of bytes
//
// Writers keep nothing of a payload after their method has returned. Readers
// fill the caller's buffer: [GroupReader.ReadFrame] and
// [TrackReader.ReceiveDatagram] reuse the capacity of Payload, so what one
// call returned is overwritten by the next.
//
// # Errors
//
// Sentinels ([ErrNotFound], [ErrClosed], …) are states, matched with
// errors.Is; [*SessionError], [*StreamError] and [*DialError] are facts,
// matched with errors.As. The same error comes out whatever the transport.
//
// A group, a track or a set of announcements that has ended is io.EOF itself,
// which no error of a lost session or a reset matches: what is not io.EOF may
// have been cut off.
package api
