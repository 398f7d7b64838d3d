package api

import (
	"io"
	"iter"
	"slices"
	"sync"
)

// An AnnouncementSet holds what is announced now and tells it, and each
// change, to any number of readers. A reader costs no memory for what it has
// been told nor for what it has yet to be told: it has a place in the set's
// list. Only changes of what it knows are noted for it, each broadcast once,
// so that however far it falls behind it holds no more than there was; what
// came and went unseen is not told.
//
// It is what a [TrackMux] and a session's announcements are made of, and
// serves to script an [AnnouncementReader] in a test. The zero value is an
// empty set, ready to use.
type AnnouncementSet struct {
	mu          sync.Mutex
	current     map[BroadcastPath]*announced
	first, last *announced // of current, in the order of their births
	steps       uint64     // changes until now
	latest      *route     // of the last that came
	readers     []*announcementReader
	initial     bool  // Complete was called
	err         error // End was called
}

// announced is one life of a path in the set: a new one is a restart. The
// set's lock guards it.
type announced struct {
	path        BroadcastPath
	route       *route
	publication *Publication
	born        uint64 // the step at which it came
	over        bool
	hidden      bool // from who follows all
	prev, next  *announced

	// Of one that stands at a reader's prefix for what covers it.
	above *announced // what does
	told  bool       // the reader was told of it
}

// A route is how broadcasts are come by. Most of a peer's have the same one,
// which is then held once; it is never written to.
type route struct {
	hops       []Hop
	warm, cold uint64
}

// Grow makes room for n broadcasts, in a set that has had none yet: filling it is
// then faster by as much as growing costs.
func (s *AnnouncementSet) Grow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current = make(map[BroadcastPath]*announced, n)
	}
}

// Put adds the broadcast at a.Path, or replaces it: to readers the old one
// ends and the new one is active.
func (s *AnnouncementSet) Put(a Announcement) {
	a.Path = a.Path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.current[a.Path]; old != nil {
		s.drop(old)
	}
	s.add(a)
}

// Add is Put where there is no broadcast at a.Path. It reports false, and does
// nothing, where there is one.
func (s *AnnouncementSet) Add(a Announcement) bool {
	a.Path = a.Path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current[a.Path] != nil {
		return false
	}
	s.add(a)
	return true
}

// Update changes hops and costs of the broadcast at a.Path. It reports false
// when there is none.
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

// Remove takes the broadcast at path out. It reports false when there is none.
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

// Get returns what is announced at path; false where nothing is.
func (s *AnnouncementSet) Get(path BroadcastPath) (Announcement, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.current[path.Clean()]
	if life == nil {
		return Announcement{}, false
	}
	return life.tell(AnnouncementActive), true
}

// publication returns what is published at path, which is clean; nil where
// nothing is.
func (s *AnnouncementSet) publication(path BroadcastPath) *Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life := s.current[path]; life != nil {
		return life.publication
	}
	return nil
}

// covering is the living publication that answers for path, which is clean; nil
// where none does.
func (s *AnnouncementSet) covering(path BroadcastPath) *Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life := s.answering(path, path); life != nil {
		return life.publication
	}
	return nil
}

// Clear takes all broadcasts out.
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

// Complete says that the initial set is in: readers are told
// [AnnouncementsComplete] after what is there now. A reader that begins later
// is told after what is there then. Called again it does nothing.
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

// End ends the set: readers are told what they have not heard yet and then
// get err, or io.EOF for nil. The first end wins.
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

// Reader follows the broadcasts at or below prefix from now on, beginning with
// those that are there; hidden ones are left out, and what covers prefix is told
// of, as [AnnouncementReader] says.
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

// All are the broadcasts at or below prefix that are there when it begins; what
// changes meanwhile may be seen or not, and what comes is not. Hidden ones are left
// out, and what covers prefix is one of them, as [AnnouncementReader] says. The set
// may be changed in the loop.
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

// allAtOnce is how many broadcasts All takes out of the set under one lock.
const allAtOnce = 32

// add begins a life of a.Path, which has none.
func (s *AnnouncementSet) add(a Announcement) {
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

// drop ends a life. Readers that have yet to come to it pass over it.
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

// share returns a's route as it is kept and handed out: appending to its hops
// copies them.
func (s *AnnouncementSet) share(a Announcement) *route {
	if s.latest == nil || !s.latest.is(a) {
		s.latest = &route{slices.Clip(slices.Clone(a.Hops)), a.Warm, a.Cold}
	}
	return s.latest
}

// is tells whether a has the route r.
func (r *route) is(a Announcement) bool {
	return slices.Equal(r.hops, a.Hops) && r.warm == a.Warm && r.cold == a.Cold
}
