// Package relay is one node between publishers and subscribers: what one
// session announces, the others can subscribe to.
//
//	r := relay.New()
//	defer r.Close()
//	server := &impl.Server{Addr: ":4443", Mux: r.Mux(), Handler: r.Handler}
//
// It subscribes upstream once a track, when somebody subscribes, and serves all
// from a bounded cache ([live.Track]); frames go on while they arrive. Where
// several sessions announce one broadcast, it is had by the preferred one, and
// by the next when that goes or falls silent: from group to group where the
// numbers of the groups go on, whether it is of the same origin or a standby of
// another; else the track ends, and who asks again has the broadcast anew.
//
// What a session announces covers what lies below it, by whole segments: what is
// asked for and not announced is had by the longest announced path above it,
// whose publisher has it or refuses.
//
// Nodes do not cluster. Who outgrows one machine has the node dial a cluster of
// other relays, and passes that session to Handler too:
//
//	session, err := client.Dial(ctx, url, r.Mux())
//	go r.Handler(session)
package relay

import (
	"log/slog"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A Relay passes broadcasts on between the sessions it is given, until Close or
// Shutdown. The zero value is ready to use; the fields are set before. All methods
// may be called concurrently.
type Relay struct {
	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger

	// Limits bound what is held of each track.
	Limits live.Limits

	// Announcements is how many broadcasts of all sessions together are
	// announced at a time, of which one session has at most half: those who
	// follow them are to follow as many, see [api.Limits]. The excess is
	// dropped, and logged once a session; it is taken in when it is updated, or
	// announced again, and there is room. Zero: 1,000,000.
	Announcements int

	mux    api.TrackMux
	life   life
	mu     sync.Mutex
	places map[api.BroadcastPath]*place
	came   uint64 // routes
}

// New returns a relay.
func New() *Relay { return new(Relay) }

// Mux holds what the sessions have announced, to be served to all of them.
// Broadcasts of the program's own may be published in it too.
func (r *Relay) Mux() *api.TrackMux { return &r.mux }

// Handler takes in what s announces, until s ends. It is to be the Handler of
// a server whose Mux is the relay's; a session that was dialled with that mux
// may be passed as well. All sessions have one identity in announcements then,
// by [api.Config].Hop, so that what comes round is known. Among relays on
// moq-lite-03, which tells no identities, a longer way to a broadcast is used a
// few seconds after the one before has gone: it may be what has come round.
//
// After Close it returns at once.
func (r *Relay) Handler(s api.Session) {
	if !r.life.enter() {
		return
	}
	defer r.life.leave()
	ctx, free := r.life.within(s.Context())
	defer free()
	newUpstream(r, s).listen(ctx)
}

func (r *Relay) log(what string, s api.Session, err error) {
	if r.Logger != nil {
		r.Logger.Info(what, "remote", s.State().Remote, "error", err)
	}
}
