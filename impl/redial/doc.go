// Package redial keeps sessions alive: the sessions of its [api.Dialer] outlive
// the connections beneath them. When a session is lost, or its peer asks to
// leave, the next one takes over its announcements and subscriptions, and
// publishes the mux again.
//
//	dialer := redial.New(client, redial.Policy{})
//	session, err := dialer.Dial(ctx, url, mux)
//
// A session whose peer has asked to leave goes on until the next one has taken
// over, and until what is read and served over it has ended. If the peer has
// named no place to go to, a load balancer may still lead to the same server: a
// new session that is asked to leave too, or closed, within a fifth of a second
// and a round trip, is dropped, and another is dialled after a wait, until one
// lasts or the old session has ended.
//
// An [api.TrackReader] stays the same object. If the same publisher is announced
// again (the first hop is the same), it continues at the next group, and missed
// groups are a [api.Gap]; a reader that wants [api.GroupLatest] continues at
// the newest. If the newest group broke off, AcceptGroup returns it again, from
// the first frame that its reader has not had; with [api.SubscribeConfig].Resume,
// it goes on in the reader that it has, as any other group does.
//
// If another publisher has taken over, even over the same session, or the
// publisher is not known, or the same one numbers its groups from 0 again,
// AcceptGroup returns a [*api.RestartError] once and then goes on with the new
// numbers. A hot standby, which writes the same groups at the same time as the
// publisher before and is announced by the same relay in its place, is no
// restart: the numbers go on.
package redial

// What follows is for developers of this package. The types:
//
//	Session    has one session beneath at all times (reconnect.go)
//	link       is one of these: the current one until it ends or its peer sends a
//	           GOAWAY, then one that drains until nothing uses it (link.go)
//	originWatch follows the publisher of a path, as one link announces it
//	           (origin.go)
//	track      is a subscription that goes on over several links (track.go)
//	feed       is the track's subscription over one link (feed.go)
//	numbering  is a run of group numbers; feeds that go on with the numbers of
//	           the one before share it (numbering.go)
//	account    records which groups of a numbering came, are lost, or may come
//	           (account.go)
//	trial      shows whether another publisher goes on with the numbers of the one
//	           before (trial.go)
//	group      is a group that the reader has got (group.go)
//	resumedGroup is one that goes on when it breaks off (resumegroup.go)
//
// # The states of a track
//
// One goroutine, track.followFeeds, goes from state to state:
//
//	opening  Subscribe waits for the first feed (track.go).
//	fed      The newest feed delivers groups, and the feeds before it those that
//	         they still have. followFeeds waits in awaitChange for a reason to
//	         change (feedchange.go).
//	changing followFeeds opens another feed, in resume, while the newest goes on
//	         if it can (resume.go).
//	ended    AcceptGroup returns why.
//
// From fed to changing, as nextChange tells, and in one case renumbered.go:
//
//	another link is current: the one before has ended, or its peer said GOAWAY
//	over the same link, another publisher than the feed's is announced: a
//	  restart, unless a trial shows that its numbers go on
//	the feed was reset, its link stands, and the publisher probably did not do
//	  that: it is withdrawn or announced anew, a relay on the way to it is gone,
//	  or the code is that of an internal error and groups had come
//	the newest group broke off with a link that was left, and the newest feed
//	  does not bring it (continuegroup.go)
//	the publisher is the same, and numbers its groups from 0 again
//	  (renumbered.go)
//
// From changing to fed, by replaceFeed:
//
//	the publisher is the same: the next feed goes on at the next group, or at the
//	  newest one if that has broken off, in the same numbering; the feeds before
//	  hand over to it (handover.go)
//	it is another one, over the same link, that goes on with the numbers, as shown
//	  in a trial: the same, from the next group on
//	it is not, or nobody knows: the feeds before are stopped, and another
//	  numbering begins
//
// In a trial the feed before goes on, and the groups of the next one are held. Both
// have one numbering if a group comes by both at the same time. They have different
// ones if the feed before ends, if one of them delivers a group and the other does
// not do so soon after, if their numbers are far apart, or if the time is over.
// The reader gets the RestartError before any group of the next feed.
//
// A track goes back to fed without another feed if the link has ended too, if the
// feed before has come to the end of the track, or if resume has failed. The same
// change is tried again only when something has changed.
//
// To ended, by endTrack:
//
//	the publisher has ended the track, or refused or reset it for good
//	resume has failed for good, or for the policy's ResumeTimeout, and the newest
//	  feed has ended
//	Close was called, or the Session has ended
//
// # The states of a feed
//
//	opened     track.openFeed has subscribed. A subscription belongs to the publisher
//	           that is announced when it is made, or first after that.
//	tried      A trial holds its groups. It is abandoned if yet another publisher is
//	           announced, or another link is current.
//	told       The reader knows of the numbering: its first feed tells it, and the
//	           others wait for that.
//	accepting  passUntilEnd takes groups from the session, and hands each to AcceptGroup
//	           unless it came by another feed.
//	finishing  Another feed of the same numbering is there: only groups that
//	           it does not have are still passed on, until none has come for
//	           reorderWait.
//	done       Nothing more is accepted. Missing groups count as lost, unless the
//	           next feed brings them soon.
//	released   The groups that it brought have been read, or cut off, and it does
//	           not hold its link any more.
//
// # Numbers and gaps
//
// Each numbering has its account. A group counts as passed on when its feed has
// accepted it, and as lost if AcceptGroup does not return it after all. Gaps
// returns those of a numbering when the reader has entered it, see
// readerPosition; groups that are missing when it ends are lost.
//
// # Locks
//
// A track's mu guards its feeds, numberings and groups, a link's mu its uses and
// origins, an originWatch's mu what is announced, and the Session's mu which link
// is current. Of these, only a link's is held when another is taken, the
// Session's. Nothing that waits for a peer is called with one of them.
// track.updating, which is taken before the track's mu, is held while a feed is
// updated, so that updates are sent one after the other.
//
// The time constants are in times.go, and those that applications choose in
// [Policy]. Before a request is repeated, the goroutine sleeps for the next
// interval of Policy.newBackoff: they grow, with jitter.
