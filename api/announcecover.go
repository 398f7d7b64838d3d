package api

import "slices"

// An announced path covers the paths below it, see [Announcement]. A reader
// whose prefix is covered but not announced is told of a broadcast at its
// prefix. That broadcast has a life of its own, whose field above is the
// covering announcement: the longest path above the prefix that is active. Over
// the network it is an ANNOUNCE_START with an empty suffix (moq-lite-06,
// "ANNOUNCE_START").
//
// answering returns the active announcement that covers path, which is clean:
// that of the longest path which is not below from, or nil. The lock is held.
func (s *AnnouncementSet) answering(path, from BroadcastPath) *announced {
	for above, more := from, true; more; above, more = above.parent() {
		if life := s.current[above]; life != nil && life.answers(path) {
			return life
		}
	}
	return nil
}

// answers reports whether an announcement covers path, which is its own path or
// below. A peer's always does: only the peer knows what it serves. A local
// publication must be alive and, for a path below its own, serve the paths
// below.
func (life *announced) answers(path BroadcastPath) bool {
	p := life.publication
	return p == nil || p.ctx.Err() == nil && (p.below || life.path == path)
}

// isCovered reports whether an announcement of path could cover the reader's
// prefix.
func (r *announcementReader) isCovered(path BroadcastPath) bool {
	return r.prefix != "" && r.prefix.HasPrefix(path)
}

// cover tells a reader if its prefix is now covered by another announcement
// than before, or no longer. The lock is held.
func (s *AnnouncementSet) cover(r *announcementReader) {
	var above *announced
	if higher, below := r.prefix.parent(); below && s.current[r.prefix] == nil {
		above = s.answering(r.prefix, higher)
	}
	if r.cover != nil && r.cover.above == above {
		return
	}
	s.uncover(r)
	if above == nil {
		return
	}
	s.steps++
	r.cover = &announced{path: r.prefix, route: above.route, born: s.steps, above: above}
	if p := above.publication; p != nil {
		r.cover.publication = p.at(r.prefix)
	}
	r.note(r.cover)
}

// uncover ends the broadcast at the reader's prefix that a path above provides,
// if there is one. A reader that was not told of it yet is told nothing. The
// lock is held.
func (s *AnnouncementSet) uncover(r *announcementReader) {
	cover := r.cover
	if cover == nil {
		return
	}
	r.cover = nil
	if cover.told {
		s.steps++
		cover.over = true
		r.note(cover)
		return
	}
	delete(r.noted, cover)
	r.changes = slices.DeleteFunc(r.changes, func(c change) bool { return c.life == cover })
}

// updateCover tells a reader that the announcement which covers its prefix has
// changed, if it is life. The lock is held.
func (r *announcementReader) updateCover(life *announced) {
	if r.cover != nil && r.cover.above == life {
		r.cover.route = life.route
		r.note(r.cover)
	}
}
