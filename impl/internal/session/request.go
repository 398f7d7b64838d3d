package session

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// A request is a bidirectional stream that the peer has opened. Its methods serve it.
type request struct {
	*control.Stream
	session *Session
	late    bool  // it was accepted while the session drains
	kind    uint8 // its [message.StreamType], once that is known to be served
}

// handlers serve the requests of the peer, by the type of the stream. A stream whose type
// is missing here, or does not exist in the version, is refused.
var handlers = map[message.StreamType]func(*request){
	message.StreamAnnounce:  (*request).serveAnnounce,
	message.StreamSubscribe: (*request).serveSubscribe,
	message.StreamFetch:     (*request).serveFetch,
	message.StreamProbe:     (*request).serveProbe,
	message.StreamTrack:     (*request).serveTrack,
	message.StreamGoAway:    (*request).serveGoAway,
}

// serve reads the stream's type and calls its handler. Drain waits for the handler to
// return, except for streams that last as long as the session.
func (r *request) serve() {
	s := r.session
	done := sync.OnceFunc(s.requests.answered)
	defer done()
	_ = r.SetReadDeadline(s.controlDeadline())
	t, err := r.ReadType()
	if err != nil {
		r.Refuse(api.StreamControlTimeout)
		return
	}
	handler := handlers[message.StreamType(t)]
	if handler == nil || !s.version.Serves(message.StreamType(t)) {
		r.logRefused(api.StreamCancelled, "no such request")
		r.Refuse(api.StreamCancelled)
		return
	}
	r.kind = uint8(t)
	// These end with the session only: waiting for them would be for ever.
	switch message.StreamType(t) {
	case message.StreamAnnounce, message.StreamProbe:
		done()
	}
	handler(r)
}

// receiveFirst reads the first message of the stream, and waits until the session may
// serve the peer. If it reports false, the stream is refused or the session has ended.
func (r *request) receiveFirst(m control.Parser) bool {
	if err := r.Receive(m); err != nil {
		code := refusalCode(err, api.StreamCancelled)
		r.logRefused(code, err.Error())
		r.Refuse(code)
		return false
	}
	_ = r.SetReadDeadline(time.Time{})
	s := r.session
	if s.Ready(s.Context()) != nil {
		return false
	}
	_, err := s.peer.awaitRoot(s.Context())
	return err == nil
}

// untilEnd returns a context that ends with the peer's half of the stream, of which nothing
// more is to be read. ok is false if the session has ended.
func (r *request) untilEnd() (ctx context.Context, cancel context.CancelFunc, ok bool) {
	ctx, cancel = context.WithCancel(r.session.Context())
	ok = r.session.life.spawn(func() { r.AwaitEnd(); cancel() })
	return ctx, cancel, ok
}

// lookup returns what is published at a path, if the peer may read it. It does not return a broadcast that comes
// from the same peer: that was not announced to it, so the peer must mean another
// publisher.
func (r *request) lookup(path api.BroadcastPath) (*api.Publication, error) {
	if r.late {
		return nil, &api.StreamError{Code: api.StreamGoingAway}
	}
	if err := r.checkRead(path); err != nil {
		return nil, err
	}
	p, err := r.session.opts.Mux.Lookup(path)
	if err != nil {
		return nil, &api.StreamError{Code: api.StreamUnroutable}
	}
	if h, passesOn := p.Handler().(api.OriginHandler); passesOn && h.Origin() == api.Session(r.session) {
		return nil, &api.StreamError{Code: api.StreamUnroutable}
	}
	return p, nil
}
