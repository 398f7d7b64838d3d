package session

import (
	"cmp"
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// A Track stream carries TRACK, and the answer TRACK_INFO (moq-lite-06, TRACK; since 05).
// Earlier versions cannot tell how a track is to be delivered, and use the defaults.

// TrackInfo implements [api.Subscriber].
func (s *Session) TrackInfo(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	if !s.version.Track {
		return api.TrackInfo{}, fmt.Errorf("track info on %s: %w", s.version.Name, api.ErrNotSupported)
	}
	if err := s.refused(); err != nil {
		return api.TrackInfo{}, fmt.Errorf("track info: %w", err)
	}
	wire, err := s.wirePath(ctx, path, name)
	if err != nil {
		return api.TrackInfo{}, cause(ctx, "track info", err)
	}
	info, err := s.askTrack(ctx, wire, name)
	s.logAsked(message.StreamTrack, path, name, err)
	if err != nil {
		return api.TrackInfo{}, cause(ctx, fmt.Sprintf("track info of %s in %s", quoted(name), quoted(path)), err)
	}
	return info, nil
}

// askTrack sends TRACK and waits for TRACK_INFO (moq-lite-05 and 06). The sending half
// stays open until the answer has arrived: peers take its end for a cancellation.
func (s *Session) askTrack(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	st, err := s.open(ctx, message.StreamTrack, &message.Track{Path: string(path), Name: string(name)})
	if err != nil {
		return api.TrackInfo{}, err
	}
	defer st.AbandonAt(ctx)()
	var m message.TrackInfo
	if err := st.Receive(&m); err != nil {
		st.Refuse(api.StreamMalformed)
		return api.TrackInfo{}, streamError(unfinished(err))
	}
	_ = st.Close()
	st.CancelRead(uint64(api.StreamCancelled))
	return trackInfo(&m), nil
}

// serveTrack answers TRACK with TRACK_INFO (moq-lite-06, TRACK).
func (r *request) serveTrack() {
	var m message.Track
	if !r.receiveFirst(&m) {
		return
	}
	// It is answered while the session drains too: it may belong to a subscription
	// that came before, on another stream.
	r.late = false
	s := r.session
	req := api.TrackRequest{Path: s.peer.fullPath(m.Path), Name: api.TrackName(m.Name), Session: s}
	p, err := r.lookup(req.Path)
	var info api.TrackInfo
	if err == nil {
		info, err = r.describe(p, req)
	}
	r.logAnswer(m.Path, req.Name, err)
	if err != nil {
		r.Refuse(api.ErrorCode(err)) // the peer only gets a code
		return
	}
	if r.Send(infoMessage(info)) == nil {
		_ = r.Close()
	}
	// The peer ends its half once it has the answer.
	_ = r.SetReadDeadline(s.controlDeadline())
	if !r.AwaitEnd() {
		r.CancelRead(0)
	}
}

// describe asks the application for a track's description. It stops waiting when the
// peer cancels the request.
func (r *request) describe(p *api.Publication, req api.TrackRequest) (api.TrackInfo, error) {
	h, ok := p.Handler().(api.InfoHandler)
	if !ok {
		return api.TrackInfo{}, nil
	}
	s := r.session
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.Context(), func() { cancel(s.life.err()) })
	defer stop()

	// The application may take as long as it wants, but not longer than the peer waits.
	return control.Ask(ctx, &s.opts.log, "TrackInfo", func() (api.TrackInfo, error) {
		return h.TrackInfo(ctx, req)
	})
}

// What is sent for the zero values of package api.
const (
	normalPriority   = 127     // for [api.Priority] 0
	publishersMaxAge = 1 << 40 // ms; the publisher uses its own max age if that is less
)

// wirePriority returns a priority as it is sent, from 0 for the least urgent to 255.
func wirePriority(p api.Priority) uint8 {
	return uint8(min(max(int(p)+normalPriority, 0), 255))
}

// apiPriority is the inverse of wirePriority.
func apiPriority(p uint8) api.Priority { return api.Priority(int(p) - normalPriority) }

// infoMessage translates a description to TRACK_INFO. A MaxLatency below 0 asks for the
// newest group only, which a max age of 0 says.
func infoMessage(info api.TrackInfo) *message.TrackInfo {
	maxAge := cmp.Or(info.MaxLatency, age.DefaultMax)
	return &message.TrackInfo{
		Priority:  wirePriority(info.Priority),
		MaxAge:    uint64(max(maxAge, 0).Milliseconds()),
		Timescale: cmp.Or(info.Timescale, age.DefaultScale),
	}
}

// trackInfo translates a TRACK_INFO.
func trackInfo(m *message.TrackInfo) api.TrackInfo {
	return api.TrackInfo{
		Priority:   apiPriority(m.Priority),
		MaxLatency: message.Milliseconds(m.MaxAge),
		Timescale:  m.Timescale,
	}
}
