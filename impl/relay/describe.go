package relay

import (
	"context"
	"errors"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxDescribers bounds the routes that are asked for one description, so that
// routes which come and go do not keep a request waiting for ever.
const maxDescribers = 16

// A description is what one route's peer says of a track, or why it does not.
type description struct {
	route   *route
	info    api.TrackInfo
	counted slot // for the subscription that follows; unset with err
	err     *api.StreamError
	final   bool // no other route would do better
}

// An inquiry asks the routes of a broadcast for the description of a track.
type inquiry struct {
	broadcast *broadcast
	request   *api.TrackRequest
	asked     map[*route]context.CancelFunc
	waiting   map[*route]struct{} // those that have not answered
	answers   chan description
}

// describeTrack asks the preferred route for a track's description, and the next
// one if that fails. It does not wait for a route that is gone. If a route has
// come that is preferred to those being asked, it asks that one as well: their
// peers may be relays that wait for an answer from here.
func (b *broadcast) describeTrack(ctx context.Context, req *api.TrackRequest) description {
	q := &inquiry{
		broadcast: b, request: req,
		asked: make(map[*route]context.CancelFunc), waiting: make(map[*route]struct{}), answers: make(chan description),
	}
	defer q.end()
	failed := description{err: errUnroutable}
	for {
		routes, held, changed := b.ownRoutes()
		q.cancelGone(routes)
		if rt := q.nextRoute(routes); rt != nil {
			q.ask(ctx, rt)
			continue
		}
		if len(q.waiting) == 0 && (!held || len(routes) > 0) || ctx.Err() != nil {
			return failed
		}
		select {
		case d := <-q.answers:
			delete(q.waiting, d.route)
			if d.err == nil || d.final {
				return d
			}
			failed = d
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// nextRoute returns the first of the routes that was not asked, unless one that is
// preferred to it has yet to answer.
func (q *inquiry) nextRoute(routes []*route) *route {
	for _, rt := range routes {
		if _, asked := q.asked[rt]; !asked && len(q.asked) < maxDescribers {
			return rt
		}
		if _, waiting := q.waiting[rt]; waiting {
			break
		}
	}
	return nil
}

// ask asks a route in the background.
func (q *inquiry) ask(ctx context.Context, rt *route) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	q.asked[rt], q.waiting[rt] = cancel, struct{}{}
	go func() { q.answers <- q.broadcast.describeBy(ctx, rt, q.request) }()
}

// cancelGone stops asking those that are not among the routes any more.
func (q *inquiry) cancelGone(routes []*route) {
	for rt := range q.waiting {
		if !slices.Contains(routes, rt) {
			q.asked[rt]()
		}
	}
}

// end stops asking, waits until nobody is asked, and releases what was counted
// for answers that come too late.
func (q *inquiry) end() {
	for _, cancel := range q.asked {
		cancel()
	}
	for range q.waiting {
		if late := <-q.answers; late.counted.release != nil {
			late.counted.release()
		}
	}
}

// describeBy asks one route, and reserves a slot for a subscription. In versions
// without descriptions, every track is accepted.
func (b *broadcast) describeBy(ctx context.Context, rt *route, req *api.TrackRequest) description {
	release, ok := rt.session.quota.acquire(req.Session)
	if !ok {
		return description{route: rt, err: errNoCapacity}
	}
	info, err := rt.session.TrackInfo(ctx, b.path, req.Name)
	if errors.Is(err, api.ErrNotSupported) {
		info, err = api.TrackInfo{MaxLatency: unknownMaxAge}, nil
	}
	if err == nil && !rt.isAnnounced() {
		err = errGone
	}
	if err == nil {
		return description{route: rt, info: info, counted: slot{rt.session, release}}
	}
	release()
	code, final := trackCode(err)
	if !final && rt.endsSoon(ctx) {
		code = api.StreamUnroutable
	}
	return description{route: rt, err: &api.StreamError{Code: code}, final: final}
}
