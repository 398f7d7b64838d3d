// Package relay is one node between publishers and subscribers: what one
// session announces, the others can subscribe to.
//
//	r := relay.New()
//	server := &impl.Server{Addr: ":4443", Mux: r.Mux(), Handler: r.Handler}
//
// It subscribes upstream when somebody subscribes, passes groups on while they
// arrive, and keeps nothing. Nodes do not cluster: who outgrows one machine
// connects to a moq-relay cluster instead.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A Relay passes broadcasts on between the sessions it is given. The zero
// value is ready to use.
type Relay struct {
	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger

	mux    api.TrackMux
	mu     sync.Mutex
	routes map[api.BroadcastPath]*routes
}

// New returns a relay.
func New() *Relay { return new(Relay) }

// Mux holds what the sessions have announced, to be served to all of them.
// Broadcasts of the program's own may be published in it too.
func (r *Relay) Mux() *api.TrackMux { return &r.mux }

// Handler takes in what s announces, until s ends. It is to be the Handler of
// a server whose Mux is the relay's; a session that was dialled may be passed
// as well.
func (r *Relay) Handler(s api.Session) {
	reader, err := s.Announcements(s.Context(), "")
	if err != nil {
		r.log("no announcements", s, err)
		return
	}
	defer reader.Close()
	mine := make(map[api.BroadcastPath]*route)
	defer func() {
		for _, rt := range mine {
			r.remove(rt)
		}
	}()
	for a, err := range api.Announcements(s.Context(), reader) {
		if err != nil {
			if s.Context().Err() == nil {
				r.log("announcements ended", s, err)
			}
			return
		}
		switch a.Status {
		case api.AnnouncementActive:
			mine[a.Path] = &route{session: s, announcement: a}
			r.add(mine[a.Path])
		case api.AnnouncementUpdated:
			r.update(mine[a.Path], a)
		case api.AnnouncementEnded:
			r.remove(mine[a.Path])
			delete(mine, a.Path)
		}
	}
}

func (r *Relay) log(what string, s api.Session, err error) {
	if r.Logger != nil {
		r.Logger.Info(what, "remote", s.State().Remote, "error", err)
	}
}

// A route is a session by which a broadcast can be had.
type route struct {
	session      api.Session
	announcement api.Announcement
	withdraw     context.CancelFunc // while it is the one in use
}

// routes are those of one path, in order of arrival; the first is in use.
type routes []*route

func (r *Relay) add(rt *route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes == nil {
		r.routes = make(map[api.BroadcastPath]*routes)
	}
	path := rt.announcement.Path
	list := r.routes[path]
	if list == nil {
		list = new(routes)
		r.routes[path] = list
	}
	*list = append(*list, rt)
	if len(*list) == 1 {
		r.use(rt)
	}
}

func (r *Relay) update(rt *route, a api.Announcement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt == nil {
		return
	}
	rt.announcement = a
	if rt.withdraw != nil {
		_ = r.mux.Update(a)
	}
}

// remove takes a route away; the next one, if there is one, takes its place.
func (r *Relay) remove(rt *route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt == nil {
		return
	}
	path := rt.announcement.Path
	list := r.routes[path]
	for i, other := range *list {
		if other == rt {
			*list = append((*list)[:i], (*list)[i+1:]...)
			break
		}
	}
	if rt.withdraw != nil {
		rt.withdraw()
		rt.withdraw = nil
		if len(*list) > 0 {
			r.use((*list)[0])
		}
	}
	if len(*list) == 0 {
		delete(r.routes, path)
	}
}

// use publishes a route. The lock is held.
func (r *Relay) use(rt *route) {
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.mux.Announce(ctx, rt.announcement, &upstream{session: rt.session}); err != nil {
		cancel()
		r.log("cannot publish "+string(rt.announcement.Path), rt.session, err)
		return
	}
	rt.withdraw = cancel
}

// upstream serves the tracks of a broadcast from the session that announced
// it.
type upstream struct {
	session api.Session

	mu    sync.Mutex
	infos map[api.TrackName]api.TrackInfo // as the publisher has told
}

// maxInfos bounds the descriptions that are remembered.
const maxInfos = 1024

var (
	_ api.TrackHandler  = (*upstream)(nil)
	_ api.InfoHandler   = (*upstream)(nil)
	_ api.FetchHandler  = (*upstream)(nil)
	_ api.OriginHandler = (*upstream)(nil)
)

// Origin implements [api.OriginHandler].
func (u *upstream) Origin() api.Session { return u.session }

// TrackInfo implements [api.InfoHandler]: the publisher knows, if its version
// has a word for it. It is asked once a track, since descriptions do not
// change: later subscribers do not wait for it, and those of a track that has
// just ended still learn what they read.
func (u *upstream) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	u.mu.Lock()
	info, known := u.infos[req.Name]
	u.mu.Unlock()
	if known {
		return info, nil
	}
	info, err := u.session.TrackInfo(ctx, req.Path, req.Name)
	if errors.Is(err, api.ErrNotSupported) {
		return api.TrackInfo{}, nil
	}
	if err == nil {
		u.remember(req.Name, info)
	}
	return info, err
}

func (u *upstream) remember(name api.TrackName, info api.TrackInfo) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.infos) >= maxInfos {
		u.infos = nil
	}
	if u.infos == nil {
		u.infos = make(map[api.TrackName]api.TrackInfo)
	}
	u.infos[name] = info
}

// ServeTrack implements [api.TrackHandler].
func (u *upstream) ServeTrack(w api.TrackWriter) {
	req := w.Request()
	r, err := u.session.Subscribe(w.Context(), req.Path, req.Name, &req.Config)
	if err != nil {
		_ = w.CloseWithError(api.ErrorCode(err))
		return
	}
	defer r.Close()
	u.remember(req.Name, r.Info())
	stop := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() { passUpdates(r, w, stop) })
	err = passGroups(r, w)
	close(stop)
	working.Wait()
	if err != nil {
		_ = w.CloseWithError(api.ErrorCode(err))
	}
}

// passUpdates passes the subscriber's changes on to the publisher.
func passUpdates(r api.TrackReader, w api.TrackWriter, stop <-chan struct{}) {
	for {
		select {
		case <-w.Updated():
			config := w.Request().Config
			if r.Update(&config) != nil {
				return
			}
		case <-stop:
			return
		}
	}
}

// passGroups copies groups while they arrive, all at once, until the track's
// end.
func passGroups(r api.TrackReader, w api.TrackWriter) error {
	var copying sync.WaitGroup
	defer copying.Wait()
	for g, err := range api.Groups(w.Context(), r) {
		if err != nil {
			return err
		}
		out, err := w.OpenGroupAt(w.Context(), g.Sequence())
		if err != nil {
			g.Cancel(api.ErrorCode(err))
			continue
		}
		copying.Go(func() {
			stop := context.AfterFunc(out.Context(), func() { g.Cancel(api.StreamCancelled) })
			defer stop()
			_ = api.CopyGroup(out, g)
		})
	}
	return nil
}

// ServeFetch implements [api.FetchHandler].
func (u *upstream) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	g, err := u.session.Fetch(w.Context(), req)
	if err != nil {
		w.Cancel(api.ErrorCode(err))
		return
	}
	_ = api.CopyGroup(w, g)
}
