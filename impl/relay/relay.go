// Package relay is one node between publishers and subscribers: what one
// session announces, the others can subscribe to.
//
//	r := relay.New()
//	defer r.Close()
//	server := &impl.Server{Addr: ":4443", Mux: r.Mux(), Handler: r.Handler}
//
// The relay subscribes upstream once for each track, when somebody subscribes,
// and serves all subscribers from a bounded cache ([live.Track]). Frames are
// passed on while they arrive. If several sessions announce one broadcast, the
// relay uses the preferred one, and the next when that ends or falls silent. If
// the numbers of the groups go on, the track continues at the next group,
// whether the other session leads to the same origin or to a standby. Else the
// track ends, and subscribers that ask again get the broadcast anew.
//
// What a session announces also covers the paths below it, by whole segments: a
// request for a path that is not announced goes to the publisher of the longest
// announced path above it, which serves or refuses it.
//
// Nodes do not form clusters. To grow beyond one machine, let the node dial a
// cluster of other relays, and pass that session to Handler too:
//
//	session, err := client.Dial(ctx, url, r.Mux())
//	go r.Handler(session)
package relay

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A Relay passes broadcasts on between the sessions it is given, until Close or
// Shutdown. The zero value is ready to use; set its fields before. All methods
// may be called concurrently.
type Relay struct {
	// Logger gets events that no error reports; nil: they are not logged.
	Logger *slog.Logger

	// Limits bound what is held of each track.
	Limits live.Limits

	// Announcements is how many broadcasts of all sessions together are
	// announced at a time; one session may have at most half of them. Peers
	// must follow as many to learn of all, see [api.Limits]. More are left out,
	// and logged once for each session; they are accepted later if they are
	// updated or announced again when there is room. Zero: 1,000,000.
	Announcements int

	mux    api.TrackMux
	life   lifetime
	mu     sync.Mutex
	places map[api.BroadcastPath]*place
	came   uint64 // number of routes so far
}

// New returns a relay.
func New() *Relay { return new(Relay) }

// Mux returns the mux of the broadcasts that the sessions have announced, to be
// served to all of them. The program may publish its own broadcasts in it too.
func (r *Relay) Mux() *api.TrackMux { return &r.mux }

// Handler follows what s announces, until s ends. It is the Handler of a server
// whose Mux is the relay's; a session that was dialled with that mux may be
// passed as well. All these sessions must have one identity in announcements,
// the [api.Config].Hop, so that the relay recognises its own announcements.
// Among relays on moq-lite-03, which does not send identities, a longer route
// to a broadcast is used only a few seconds after the one before has gone: it
// may lead back to this relay.
//
// After Close it returns at once.
func (r *Relay) Handler(s api.Session) {
	if !r.life.register() {
		return
	}
	defer r.life.unregister()
	ctx, free := r.life.withContext(s.Context())
	defer free()
	newUpstream(r, s).followAnnouncements(ctx)
}

func (r *Relay) log(what string, s api.Session, err error) {
	if r.Logger != nil && r.Logger.Enabled(s.Context(), slog.LevelInfo) {
		state := s.State()
		r.Logger.Info(what, "session", state.ID, "remote", fmt.Sprint(state.Remote), "error", err)
	}
}
