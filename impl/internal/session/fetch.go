package session

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/send"
)

// A Fetch stream carries one group (moq-lite-06, FETCH; since 05). The peer that fetches
// sends FETCH and keeps its half of the stream open until it has the answer, since some
// publishers take the end of it for a cancellation. The answer is the frames of the group
// as on a Group stream, without GROUP before them, and FIN. A publisher that has not got
// the group resets the stream.

// Fetch implements [api.Subscriber].
func (s *Session) Fetch(ctx context.Context, req api.FetchRequest) (api.GroupReader, error) {
	g, err := s.fetch(ctx, &req)
	s.logAsked(message.StreamFetch, req.Path, req.Name, err)
	if err != nil {
		return nil, cause(ctx, fmt.Sprintf("fetch group %d of %s in %s", req.Group, quoted(req.Name), quoted(req.Path)), err)
	}
	return g, nil
}

// fetch returns the group when the first bytes of the answer have arrived, so that a
// refusal is an error of Fetch and not of the first frame.
func (s *Session) fetch(ctx context.Context, req *api.FetchRequest) (*receive.Group, error) {
	path, err := s.wirePath(ctx, req.Path, req.Name)
	if err != nil {
		return nil, err
	}
	m, err := fetchMessage(s.version, path, req)
	if err != nil {
		return nil, err
	}
	if err := s.refused(); err != nil {
		return nil, err
	}
	st, err := s.open(ctx, message.StreamFetch, m)
	if err != nil {
		return nil, err
	}
	g := s.budget.NewGroup(st.Stream)
	stop := st.AbandonAt(ctx)
	err = g.Await()
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		_ = st.Close()
		return nil, streamError(err)
	}
	g.Identify(req.Group, req.StartFrame)
	// Our half stays open until the answer has arrived: peers take its end for a
	// cancellation.
	g.OnEnd(func() { _ = st.Close() })
	s.reading.fetches.fetchingFor(req.Session, &s.budget).addGroup(g, s.clock())
	return g, nil
}

// fetchMessage translates a request to FETCH, or returns an error if the version has no
// way to express it.
func fetchMessage(v *message.Version, path api.BroadcastPath, req *api.FetchRequest) (*message.Fetch, error) {
	switch {
	case !v.Fetch:
		return nil, fmt.Errorf("on %s: %w", v.Name, api.ErrNotSupported)
	case (req.StartFrame != 0 || req.EndFrame != 0) && !v.FrameBounds:
		return nil, fmt.Errorf("frame bounds on %s: %w", v.Name, api.ErrNotSupported)
	}
	m := &message.Fetch{
		Path:       string(path),
		Track:      string(req.Name),
		Priority:   wirePriority(req.Priority),
		Group:      uint64(req.Group),
		StartFrame: req.StartFrame,
		EndFrame:   req.EndFrame,
	}
	return m, m.Validate(v)
}

// serveFetch answers a FETCH of the peer (moq-lite-06, FETCH).
func (r *request) serveFetch() {
	var m message.Fetch
	if !r.receiveFirst(&m) {
		return
	}
	h, err := r.fetchHandler(&m)
	r.logAnswer(m.Path, api.TrackName(m.Track), err)
	if err != nil {
		r.Refuse(api.ErrorCode(err))
		return
	}
	a := r.newFetched(&m)
	if !a.group.Open() {
		return
	}
	control.Call(r.session.Log(), "ServeFetch", func() {
		h.ServeFetch(a.group, a.request)
		if a.group.IsOpen() {
			a.group.Cancel(api.StreamCancelled)
		}
	}, func() { a.group.Cancel(api.StreamInternal) })
	// The peer ends its half to cancel, or when it has the answer.
	_ = r.AwaitEnd()
	a.group.Reset(&api.StreamError{Code: api.StreamCancelled, Remote: true}, api.StreamCancelled)
	r.CancelRead(0)
}

// fetchHandler returns who answers a FETCH. A broadcast that offers no old groups has
// none: that is no error of the session.
func (r *request) fetchHandler(m *message.Fetch) (api.FetchHandler, error) {
	broadcast, err := r.lookup(r.session.peer.fullPath(m.Path))
	if err != nil {
		return nil, err
	}
	h, ok := broadcast.Handler().(api.FetchHandler)
	if !ok {
		return nil, &api.StreamError{Code: api.StreamNotFound}
	}
	return h, nil
}

// fetched is the state of a FETCH that is answered.
type fetched struct {
	session *Session
	request api.FetchRequest
	stream  *control.Stream
	lane    send.Lane
	group   *send.Group
}

// newFetched returns the state of a FETCH. Its group ranks by the priority of the request
// alone.
func (r *request) newFetched(m *message.Fetch) *fetched {
	s := r.session
	a := &fetched{session: s, stream: r.Stream, request: api.FetchRequest{
		Path:       s.peer.fullPath(m.Path),
		Name:       api.TrackName(m.Track),
		Group:      api.GroupSequence(m.Group),
		StartFrame: m.StartFrame,
		EndFrame:   m.EndFrame,
		Priority:   apiPriority(m.Priority),
		Session:    s,
	}}
	a.lane.Init(s.serving.queueFor(s, r.Stream), m.Priority, normalPriority)
	a.group = a.lane.NewGroup(a, a.request.Group, send.Frames{First: m.StartFrame, End: m.EndFrame})
	a.group.SetStream(r.Stream.Stream)
	return a
}

// AppendHeader implements [send.Owner]: the answer to FETCH has no header.
func (a *fetched) AppendHeader(b []byte, _ *send.Group, _ uint64) []byte { return b }

// FrameBegins implements [send.Owner]: a group that was asked for by its number does not
// become too old.
func (a *fetched) FrameBegins(*send.Group, uint64) {}

// GroupDone implements [send.Owner]. From now on the peer has limits.setup to end its half.
func (a *fetched) GroupDone(_ *send.Group, end send.Ending) {
	if end.Reset {
		a.stream.CancelRead(0)
	}
	_ = a.stream.SetReadDeadline(a.session.controlDeadline())
}

var (
	_ send.Owner = (*fetched)(nil)
	_ send.Owner = (*publication)(nil)
)
