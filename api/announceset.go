package api

import (
	"io"
	"iter"
	"slices"
	"sync"
)

// An AnnouncementSet holds what is announced now and tells it, and each change,
// to any number of readers. A reader is a position in the set's list, so it
// takes no memory for what it has been told or has yet to be told. Only changes
// of broadcasts that it was told of are queued for it, each broadcast once:
// however far a reader falls behind, its queue is no longer than that. A
// broadcast that came and went before the reader got to it is not told.
//
// A [TrackMux] and the announcements of a session are built on it. A test can
// use it to script an [AnnouncementReader]. The zero value is an empty set,
// ready to use.
type AnnouncementSet struct {
	mu          sync.Mutex
	current     map[BroadcastPath]*announced
	first, last *announced // current as a list, in the order of birth
	steps       uint64     // the number of changes so far
	latest      *route     // of the newest announcement
	readers     []*announcementReader
	initial     bool  // Complete was called
	err         error // End was called
}

// An announced is one life of a path in the set: from when the path is
// announced until it ends or is replaced. The set's lock guards it.
type announced struct {
	path        BroadcastPath
	route       *route
	publication *Publication
	born        uint64 // the number of the change that announced it
	over        bool
	hidden      bool // from readers of the empty prefix
	prev, next  *announced

	// Set for a broadcast at a reader's prefix that a path above provides.
	above *announced // the announcement that covers the prefix
	told  bool       // the reader was told of it
}

// A route is the hops and costs of announcements. Most broadcasts of a peer
// have the same, so it is shared; it is never written to.
type route struct {
	hops       []Hop
	warm, cold uint64
}

// Grow makes room for n broadcasts in a set that has not had any yet, which
// makes filling it faster.
func (s *AnnouncementSet) Grow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current = make(map[BroadcastPath]*announced, n)
	}
}

// Put adds the broadcast at a.Path, or replaces it: readers are told that the
// old one has ended and the new one is active.
func (s *AnnouncementSet) Put(a Announcement) {
	a.Path = a.Path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.current[a.Path]; old != nil {
		s.drop(old)
	}
	s.startLife(a)
}

// Add adds the broadcast at a.Path and reports true. If there is one already,
// it does nothing and reports false.
func (s *AnnouncementSet) Add(a Announcement) bool {
	a.Path = a.Path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current[a.Path] != nil {
		return false
	}
	s.startLife(a)
	return true
}

// Update changes hops and costs of the broadcast at a.Path. It reports false if
// there is none.
func (s *AnnouncementSet) Update(a Announcement) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.current[a.Path.Clean()]
	if life == nil {
		return false
	}
	if life.route.is(a) {
		return true
	}
	life.route = s.share(a)
	s.steps++
	for _, r := range s.readers {
		if r.knows(life) {
			r.note(life)
		}
		r.updateCover(life)
	}
	return true
}

// Remove removes the broadcast at path. It reports false if there is none.
func (s *AnnouncementSet) Remove(path BroadcastPath) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.current[path.Clean()]
	if life == nil {
		return false
	}
	s.drop(life)
	return true
}

// Get returns the announcement of path; false if there is none.
func (s *AnnouncementSet) Get(path BroadcastPath) (Announcement, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.current[path.Clean()]
	if life == nil {
		return Announcement{}, false
	}
	return life.tell(AnnouncementActive), true
}

// publication returns what is published at path, which is clean, or nil.
func (s *AnnouncementSet) publication(path BroadcastPath) *Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life := s.current[path]; life != nil {
		return life.publication
	}
	return nil
}

// covering returns the live publication that serves path, which is clean, or
// nil.
func (s *AnnouncementSet) covering(path BroadcastPath) *Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life := s.answering(path, path); life != nil {
		return life.publication
	}
	return nil
}

// Clear removes all broadcasts.
func (s *AnnouncementSet) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.first != nil {
		s.drop(s.first)
	}
}

// Len returns the number of broadcasts in the set.
func (s *AnnouncementSet) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.current)
}

// Complete says that the initial set is complete: readers are told
// [AnnouncementsComplete] after what is there now. A reader that begins later
// is told it after what is there then. Further calls do nothing.
func (s *AnnouncementSet) Complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.initial {
		return
	}
	s.initial = true
	for _, r := range s.readers {
		r.complete()
	}
}

// End ends the set: each reader is told what it has not been told yet and then
// gets err, or io.EOF if err is nil. Only the first call counts.
func (s *AnnouncementSet) End(err error) {
	if err == nil {
		err = io.EOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	for _, r := range s.readers {
		r.wake()
	}
}

// Reader returns a reader of the broadcasts at or below prefix, beginning with
// those that are there now. Hidden broadcasts and a prefix that is covered from
// above are treated as [AnnouncementReader] says.
func (s *AnnouncementSet) Reader(prefix string) AnnouncementReader { return s.reader(prefix) }

func (s *AnnouncementSet) reader(prefix string) *announcementReader {
	r := &announcementReader{
		set:    s,
		prefix: BroadcastPath(prefix).Clean(),
		ready:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.next = s.first
	s.cover(r)
	r.began = s.steps
	if s.initial {
		r.complete()
	}
	s.readers = append(s.readers, r)
	return r
}

// All iterates over the broadcasts at or below prefix that are there when it
// begins. A broadcast that changes meanwhile may be seen or not, one that is
// added is not. Hidden broadcasts and a prefix that is covered from above are
// treated as [AnnouncementReader] says. The loop may change the set.
func (s *AnnouncementSet) All(prefix string) iter.Seq[Announcement] {
	return func(yield func(Announcement) bool) {
		r := s.reader(prefix)
		defer r.Close()
		var some [allAtOnce]Announcement
		for n := allAtOnce; n == allAtOnce; {
			n = r.takeActive(some[:])
			for _, a := range some[:n] {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// allAtOnce is how many broadcasts All takes out of the set each time it holds
// the lock.
const allAtOnce = 32

// startLife begins a life of a.Path, which has none. The lock is held.
func (s *AnnouncementSet) startLife(a Announcement) {
	for _, r := range s.readers {
		if r.prefix == a.Path { // first, since it is told at the same path
			s.uncover(r)
		}
	}
	s.steps++
	life := &announced{
		path:        a.Path,
		route:       s.share(a),
		publication: a.Publication,
		born:        s.steps,
		hidden:      hidden(a.Path),
		prev:        s.last,
	}
	if s.last == nil {
		s.first = life
	} else {
		s.last.next = life
	}
	s.last = life
	if s.current == nil {
		s.current = make(map[BroadcastPath]*announced)
	}
	s.current[a.Path] = life
	for _, r := range s.readers {
		if r.next == nil {
			r.next = life
		}
		if r.follows(life) {
			r.wake()
		}
		if r.isCovered(life.path) {
			s.cover(r)
		}
	}
}

// drop ends a life. A reader that has not come to it yet skips it. The lock is
// held.
func (s *AnnouncementSet) drop(life *announced) {
	s.steps++
	life.over = true
	delete(s.current, life.path)
	for _, r := range s.readers {
		if r.knows(life) {
			r.note(life)
		}
		if r.next == life {
			r.next = life.next
		}
	}
	if life.prev == nil {
		s.first = life.next
	} else {
		life.prev.next = life.next
	}
	if life.next == nil {
		s.last = life.prev
	} else {
		life.next.prev = life.prev
	}
	life.prev, life.next = nil, nil
	for _, r := range s.readers {
		if r.isCovered(life.path) {
			s.cover(r)
		}
	}
}

// share returns a's route, the stored one if that is the same. Its hops have no
// spare capacity, so that appending to them copies them.
func (s *AnnouncementSet) share(a Announcement) *route {
	if s.latest == nil || !s.latest.is(a) {
		s.latest = &route{slices.Clip(slices.Clone(a.Hops)), a.Warm, a.Cold}
	}
	return s.latest
}

// is reports whether r has the hops and costs of a.
func (r *route) is(a Announcement) bool {
	return slices.Equal(r.hops, a.Hops) && r.warm == a.Warm && r.cold == a.Cold
}
