package live

import (
	"context"

	"github.com/moqlite/moqlite/api"
)

// fetch answers a fetch from what the track holds, while the group is being
// written. If the group is not held, it reports false and does nothing.
func (t *Track) fetch(w api.GroupWriter, req *api.FetchRequest) bool {
	t.mu.Lock()
	i, found := t.cache.find(req.Group)
	var g *group
	if found {
		g = t.cache.groups[i]
	}
	t.mu.Unlock()
	if g == nil {
		return false
	}
	r := &reader{group: g, w: w, start: req.StartFrame, end: req.EndFrame, whole: true}
	stop := context.AfterFunc(w.Context(), func() { r.stopWith(context.Cause(w.Context())) })
	defer stop()
	r.copyGroup()
	return true
}

// missingCode returns why a group is not held.
func (t *Track) missingCode(seq api.GroupSequence) api.StreamErrorCode {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.aborted != nil:
		return api.ErrorCode(t.aborted)
	case seq < t.cache.floor:
		return api.StreamEvicted
	default:
		return api.StreamNotFound
	}
}
