package api

import "slices"

// What is announced covers what lies below it, see [Announcement]. A reader whose
// prefix is below hears of that as of a broadcast at its prefix, unless one is
// announced there: it has a life of its own in which it stands for the longest
// path above that answers. Over the network that is an announcement whose suffix
// is empty (moq-lite-06, "ANNOUNCE").

// answering is what answers for path, which is clean: what is announced at the
// longest path that is not below from; nil where nothing does. The lock is held.
func (s *AnnouncementSet) answering(path, from BroadcastPath) *announced {
	for above, more := from, true; more; above, more = above.parent() {
		if life := s.current[above]; life != nil && life.answers(path) {
			return life
		}
	}
	return nil
}

// answers tells whether path, at or below that of the life, is answered for.
// What a peer announces may always be: the peer alone knows.
func (life *announced) answers(path BroadcastPath) bool {
	p := life.publication
	return p == nil || p.ctx.Err() == nil && (p.below || life.path == path)
}

// isCovered tells whether what is announced at path may cover the reader's prefix.
func (r *announcementReader) isCovered(path BroadcastPath) bool {
	return r.prefix != "" && r.prefix.HasPrefix(path)
}

// cover tells a reader of what covers its prefix now, if that is not what it was.
// The lock is held.
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

// uncover ends what covers the reader's prefix, if anything does. If the reader
// has not been told of it, it never is. The lock is held.
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

// updateCover tells a reader that a life has changed which covers its prefix, if
// it does. The lock is held.
func (r *announcementReader) updateCover(life *announced) {
	if r.cover != nil && r.cover.above == life {
		r.cover.route = life.route
		r.note(r.cover)
	}
}
