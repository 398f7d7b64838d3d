package relay

// What follows is for whoever changes this package. The types:
//
//	Relay      has the places, and the mux in which they are announced (relay.go)
//	upstream   is a session whose announcements the relay follows (upstream.go)
//	place      is a path that sessions announce (route.go, loopwait.go)
//	publisher  is one origin at a place, with the routes to it (broadcast.go)
//	route      is an announcement of one session: a way to a publisher (route.go)
//	broadcast  is the handler of a publisher's path, or of one below; it is a
//	           live.Broadcast (broadcast.go, below.go)
//	inquiry    asks routes what a track is, before it is made (describe.go)
//	filler     fills one track of a broadcast: one goroutine each
//	           (filler.go, routechange.go)
//	feed       is a subscription by one route that brings the track's groups
//	           (feed.go)
//	trial      is the time in which a feed shows that its groups belong to the
//	           track (trial.go)
//	group      is a group that is being written, from one source after another
//	           (group.go, copy.go)
//	shadow     is a better source of a group than the one that is read, until it
//	           brings what was not written yet (shadow.go)
//	account    is what a filler knows of the numbers of its groups: which came,
//	           are missing, or are due (account.go, missing.go, head.go)
//	refusals   are the routes that a filler does not use for a while (refusals.go)
//	quota      bounds the requests in one upstream session (quota.go)
//	lifetime   is all that runs until Close (lifetime.go)
//	Share      uses the same for readers in this process (share.go)
//
// # The states of a place
//
// choosePublished goes from one to the other when a route has come, changed or
// gone:
//
//	used       The broadcast of the preferred route is announced in the mux.
//	held       Its last route is gone. It stays announced for holdFor, and is used
//	           again if another session announces its origin in that time.
//	withdrawn  Nothing is announced. For loopWait, routes are not used that may
//	           lead back to this relay (loopwait.go).
//	waiting    The program publishes the path itself, in the same mux. The place
//	           is used when that has ended.
//
// A place with no route, nothing used and no routes that are not used yet is
// deleted. If the preferred route is of another origin than the broadcast in
// use, that one is withdrawn and the other is announced.
//
// # The states of a broadcast
//
//	routed     Its publisher has routes. Tracks are made, and fed by them.
//	held       Its publisher has none, and is listed in its place: requests wait.
//	forgotten  It is not listed. New requests are refused. Tracks that are fed go on
//	           until their feeds end: a publisher may withdraw a broadcast before
//	           its last groups have come.
//
// A broadcast below the announced path is made at the first request and kept while
// a request or a track needs it (below.go).
//
// # The states of a track
//
// The filler has two feeds: current brings the track's groups, next is on trial to
// replace it. filler.step waits for an event and goes from state to state:
//
//	current  next  state
//	no       no    Idle: nobody has subscribed yet. Or lost: no route works.
//	yes      no    Fed.
//	yes      yes   Changing: next has a better route, or current is silent.
//	no       yes   Saving: current has failed.
//
// From idle or lost, followDemand tries the best route for a subscriber.
// Without one, the track is aborted after lostFor (abortUnroutable). While it has
// no group, routes of other origins are for those alone that ask for no number
// (usableRoutes). A track without subscribers is closed after idleFor.
//
// From fed to changing: tryBetter has found a preferred route of the same origin,
// or checkSilence has heard nothing from current for minSilence; the time doubles
// with each check, to maxSilence.
//
// From changing or saving to fed: next has begun (see below) and switchToNext
// makes it current. From changing back to fed: next has ended, its numbers do not
// go on, or current is silent no more; judgeTrial decides that each trialFor, and
// asks once for all groups where nothing has come. In changing and saving, groups
// of other numbers from the same origin tell that the publisher has begun anew, if
// current is lost or silent for long: the track is aborted, and viewers that
// subscribe again get a new one.
//
// From fed to saving, by handleLost: current has failed, and another route may do
// better; or checkSilence has given current up, whose route was withdrawn: after
// unpacedSilence or the time of four groups, or after minSilence if it has brought
// nothing or has no subscription upstream (patience). To the end, by handleLost
// too: the publisher has ended the track (endTrack waits for what is missing,
// keepEnded keeps the track for a while), has restarted it, or has refused it with
// a code of its own, which viewers get (cause.go).
//
// # The states of a feed
//
//	subscribing  It waits for the answer of its route's session.
//	on trial     Its groups are held, and their numbers compared with those before.
//	             If the track holds no groups, there is no trial.
//	begun        Its groups go to the track: at once, or when decideTrial has found that
//	             the route still stands a moment after the first of them.
//	replaced     Another feed is current. For reorderMax it still accepts groups that
//	             are on the way. Groups older than the newest that then bring
//	             nothing for recoverWithin are broken: its peer may read them from
//	             here.
//	done         It accepts nothing; groups that it brought are read to their end.
//
// # The states of a group
//
//	read       It is copied from a source: a feed's, or a fetch. A better source
//	           is its shadow meanwhile, and replaces the other when it brings more.
//	broken     Its source has failed. For recoverWithin, awaitSource waits for a fetch of
//	           the rest or for another feed that brings it. It does so again only
//	           if a frame has come since.
//	over       It is closed, reset, or wanted by nobody.
//
// Numbers that are left out are missing until the max age has passed, until their
// route says that they are lost, until reorderMax after a change, or until the
// default max age after a renewed feed left them out. They are then fetched, and
// what nobody has is reported to viewers as a gap (missing.go). Those below all
// that came are missing for a viewer that has named one of them: until the max age
// has passed that the feed's version tells, or the default (head.go).
//
// # Times
//
//	filler.go     idleFor, lostFor, trialFor, minSilence, maxSilence,
//	              listenEvery, unpacedSilence; failedFor, silentFor and strangeFor, for which a
//	              route is refused
//	route.go      crossingWait, endsSoonWithin, withdrawnWithin, holdFor
//	loopwait.go   loopWait
//	group.go      recoverWithin
//	missing.go    reorderMax
//	account.go    maxAside
//	broadcast.go  answerIn, unknownMaxAge
//	upstream.go   askAgainAfter, askAgainWithin, keepUnconfirmed
//
// # Locks
//
// Relay.mu guards places, publishers, routes, the routes of upstreams and the users
// of broadcasts. The mux's locks are taken under it. A filler's mu guards its groups
// and its account; the track's lock is taken under it. A feed's mu, lifetime.mu, a
// quota's and a Share's are taken alone. The fields of a filler that are not under
// its mu belong to its goroutine. No lock is held while a peer is waited for.
