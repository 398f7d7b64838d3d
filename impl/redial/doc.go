// Package redial keeps sessions alive: the sessions of its [api.Dialer] outlive
// the connections beneath them. What was asked of a session that is lost, or
// whose peer asks to leave, is asked again of the next one: announcements,
// subscriptions, and by way of the mux, publications.
//
//	dialer := redial.New(client, redial.Policy{})
//	session, err := dialer.Dial(ctx, url, mux)
//
// A [api.TrackReader] stays the same object. Where the same publisher is
// announced (the first hop is the same), it goes on at the next group, and what
// was missed is a [api.Gap]; one that wants [api.GroupLatest] goes on at the
// newest. A group that broke off and is still the newest comes again, from where
// its reader was. Where another publisher has taken over, over the same session
// too, or nobody knows who publishes, or the same one numbers its groups from 0
// again, AcceptGroup returns a [*api.RestartError] once and then goes on with the
// new numbers. A hot standby, which writes the same groups at the same time as the
// publisher before and is announced by the same relay in its place, is no restart:
// the numbers go on.
package redial

// What follows is for whoever changes how tracks last. The types:
//
//	Session    has one session beneath at all times (keeper.go)
//	link       is one of these: the current one until it ends or its peer says
//	           GOAWAY, then one that drains until nothing uses it (link.go)
//	origin     is who publishes a path, as one link announces it (origin.go)
//	track      is a subscription that lasts (track.go)
//	feed       is the track's subscription over one link (feed.go)
//	numbering  is a run of group numbers; feeds that go on with the numbers of
//	           the one before share it (numbering.go)
//	account    is what of a numbering has come, is lost, or may come (account.go)
//	trial      is where it shows whether another publisher goes on with the
//	           numbers of the one before (trial.go)
//	group      is a group in the hands of the reader (group.go)
//
// # The states of a track
//
// One goroutine, track.run, goes from state to state:
//
//	opening  Subscribe waits for the first feed (track.go).
//	fed      The newest feed brings groups, and feeds before it what is left of
//	         theirs. run waits in turn for a reason to change (turn.go).
//	turning  run asks for another feed, in resume, while the newest goes on if it
//	         can (resume.go).
//	ended    AcceptGroup returns why.
//
// From fed to turning, as decide tells, and in one case doubt.go:
//
//	another link is current: the one before has ended, or its peer said GOAWAY
//	over the same link, another publisher is announced than that of the feed: a
//	  restart, unless a trial shows that its numbers go on
//	the feed was reset, its link stands, and that is no word of the publisher's:
//	  it is withdrawn or announced anew, or what is on the way to it is gone
//	the newest group broke off with a link that was left, and the newest feed
//	  does not bring it (again.go)
//	the publisher is the same, and numbers its groups from 0 again (doubt.go)
//
// From turning to fed, by change:
//
//	the publisher is the same: the next feed goes on at the next group, or at the
//	  newest one if that has broken off, in the same numbering; the feeds before
//	  hand over to it (handover.go)
//	it is another one, over the same link, that goes on with the numbers, as shown
//	  in a trial: the same, from the next group on
//	it is not, or nobody knows: the feeds before are stopped, and another
//	  numbering begins
//
// In a trial the feed before goes on, and what the next one brings is held. They
// have one numbering if a group comes by both at the same time. They have not if the
// feed before ends, or one brings what the other does not bring soon, or the
// numbers are far apart, or nothing shows in time. Who is told of a restart has not
// got a group of the next feed before.
//
// or back, where the link is over too, or the feed before has come to the end of
// the track: the same turn is made again only when something has changed.
//
// To ended, by finish:
//
//	the publisher has ended the track, or refused or reset it for good
//	resume asked in vain for as long as the policy wants, and the newest feed has
//	  ended
//	Close was called, or the Session has ended
//
// # The states of a feed
//
//	opened     track.open has subscribed. A subscription belongs to the publisher
//	           that is announced when it is made, or first after that.
//	tried      A trial holds its groups. It is abandoned if yet another publisher is
//	           announced, or another link is current.
//	told       The reader knows of the numbering: the first feed of each tells it,
//	           and others wait for that.
//	accepting  pass takes groups from the session, and hands each to AcceptGroup
//	           unless it came by another feed.
//	finishing  Another feed of the same numbering is there: only what that does
//	           not have is still passed on, until nothing came for a while.
//	done       Nothing more is accepted. What is missing counts as lost, if the
//	           next feed does not bring it soon.
//	released   The groups that it brought have been read, or cut off, and nothing
//	           holds its link.
//
// # Numbers and gaps
//
// Each numbering has its account. A group counts as passed on when a feed takes
// it, and as lost again if AcceptGroup does not get it. The gaps of a numbering
// are told after the reader has entered it, see place; what is missing when it
// ends is lost.
//
// # Locks
//
// A track's mu guards its feeds, numberings and groups, a link's mu its uses and
// origins, an origin's mu what is announced, and the Session's mu which link is
// current. Of these, only a link's is held when another is taken, the Session's.
// Nothing that waits for a peer is called with one of them. track.updating, which
// comes before the track's mu, is held while a feed is updated: one change of
// what is asked for comes after the other.
//
// How long what is waited for is told in times.go, and in [Policy]. Whatever is
// asked for again waits for Policy.pause, which grows, with jitter.
