package api

import "context"

// Tracks is a broadcast of these tracks. Every other name is not found: in
// SUBSCRIBE, TRACK and FETCH alike.
//
//	err := mux.Publish(ctx, "robot/7", api.Tracks{
//		"pose":   api.TrackHandlerFunc(servePose),
//		"camera": camera, // it may be an InfoHandler and a FetchHandler too
//	})
//
// A handler finds the name of its track in the request, so that one handler may
// stand for several. The map must not change while it is published.
type Tracks map[TrackName]TrackHandler

var (
	_ TrackHandler = Tracks(nil)
	_ InfoHandler  = Tracks(nil)
	_ FetchHandler = Tracks(nil)
)

// ServeTrack implements [TrackHandler] by the handler of the track that is
// asked for.
func (t Tracks) ServeTrack(w TrackWriter) {
	h := t[w.Request().Name]
	if h == nil {
		_ = w.CloseWithError(StreamNotFound)
		return
	}
	h.ServeTrack(w)
}

// TrackInfo implements [InfoHandler]. A track whose handler does not describe it
// has the zero TrackInfo, and one that is not in the map is [ErrNotFound].
func (t Tracks) TrackInfo(ctx context.Context, req TrackRequest) (TrackInfo, error) {
	h := t[req.Name]
	if h == nil {
		return TrackInfo{}, &StreamError{Code: StreamNotFound}
	}
	if described, ok := h.(InfoHandler); ok {
		return described.TrackInfo(ctx, req)
	}
	return TrackInfo{}, nil
}

// ServeFetch implements [FetchHandler]. A track that is not in the map, or whose
// handler serves no single groups, is answered as not found.
func (t Tracks) ServeFetch(w GroupWriter, req FetchRequest) {
	h, ok := t[req.Name].(FetchHandler)
	if !ok {
		w.Cancel(StreamNotFound)
		return
	}
	h.ServeFetch(w, req)
}
