package api

import (
	"container/list"
	"context"
	"io"
	"slices"
	"sync"
)

// An AnnouncementSet holds what is announced now and tells it, and each
// change, to any number of readers. A reader that falls behind holds no queue
// of changes but the set of paths that have changed, so that its memory is
// bounded by the number of broadcasts: what came and went unseen is not told.
//
// It is what a [TrackMux] and a session's announcements are made of, and
// serves to script an [AnnouncementReader] in a test. The zero value is an
// empty set, ready to use.
type AnnouncementSet struct {
	mu      sync.Mutex
	current map[BroadcastPath]*announced
	readers []*announcementReader
	initial bool  // Complete was called
	err     error // End was called
}

// announced is one life of a path in the set: a new one is a restart.
type announced struct{ Announcement }

// Put adds the broadcast at a.Path, or replaces it: to readers the old one
// ends and the new one is active.
func (s *AnnouncementSet) Put(a Announcement) {
	a.Path = a.Path.Clean()
	a.Hops = slices.Clone(a.Hops)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current = make(map[BroadcastPath]*announced)
	}
	s.current[a.Path] = &announced{a}
	s.changed(a.Path)
}

// Update changes hops and costs of the broadcast at a.Path. It reports false
// when there is none.
func (s *AnnouncementSet) Update(a Announcement) bool {
	a.Path = a.Path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current[a.Path]
	if old == nil {
		return false
	}
	// Readers hold the old value: it is replaced, not written to.
	old.Hops, old.Warm, old.Cold = slices.Clone(a.Hops), a.Warm, a.Cold
	s.changed(a.Path)
	return true
}

// Remove takes the broadcast at path out. It reports false when there is none.
func (s *AnnouncementSet) Remove(path BroadcastPath) bool {
	path = path.Clean()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current[path] == nil {
		return false
	}
	delete(s.current, path)
	s.changed(path)
	return true
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
		r.pushComplete()
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
// those that are there.
func (s *AnnouncementSet) Reader(prefix string) AnnouncementReader {
	r := &announcementReader{
		set:    s,
		prefix: BroadcastPath(prefix).Clean(),
		told:   make(map[BroadcastPath]told),
		dirty:  make(map[BroadcastPath]*list.Element),
		ready:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.current {
		r.changed(path)
	}
	if s.initial {
		r.pushComplete()
	}
	s.readers = append(s.readers, r)
	return r
}

func (s *AnnouncementSet) changed(path BroadcastPath) {
	for _, r := range s.readers {
		r.changed(path)
	}
}

// announcementReader is one reader's place in its set, whose lock guards it.
type announcementReader struct {
	set    *AnnouncementSet
	prefix BroadcastPath
	told   map[BroadcastPath]told // what the application has been told is active
	queue  list.List              // of BroadcastPath, or complete
	dirty  map[BroadcastPath]*list.Element
	ready  chan struct{} // buffered 1: something may have changed
	closed chan struct{}
	once   sync.Once
}

// told is the state of a path as the reader's application knows it.
type told struct {
	life       *announced
	hops       []Hop
	warm, cold uint64
}

// complete is the queue's word for AnnouncementsComplete.
type complete struct{}

// changed notes that path's state may differ from what was told.
func (r *announcementReader) changed(path BroadcastPath) {
	if !path.HasPrefix(r.prefix) {
		return
	}
	_, known := r.told[path]
	element, queued := r.dirty[path]
	switch {
	case !known && r.set.current[path] == nil:
		if queued { // it came and went unseen
			r.queue.Remove(element)
			delete(r.dirty, path)
		}
	case !queued:
		r.dirty[path] = r.queue.PushBack(path)
		r.wake()
	}
}

func (r *announcementReader) pushComplete() {
	r.queue.PushBack(complete{})
	r.wake()
}

func (r *announcementReader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Receive implements [AnnouncementReader].
func (r *announcementReader) Receive(ctx context.Context) (Announcement, error) {
	for {
		select {
		case <-r.closed:
			return Announcement{}, ErrClosed
		default:
		}
		if a, ok, err := r.next(); ok || err != nil {
			return a, err
		}
		select {
		case <-r.ready:
		case <-r.closed:
		case <-ctx.Done():
			return Announcement{}, context.Cause(ctx)
		}
	}
}

// next takes the next difference between what was told and what is.
func (r *announcementReader) next() (Announcement, bool, error) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for element := r.queue.Front(); element != nil; element = r.queue.Front() {
		path, ok := element.Value.(BroadcastPath)
		if !ok {
			r.queue.Remove(element)
			return Announcement{Status: AnnouncementsComplete}, true, nil
		}
		a, again := r.difference(path)
		if !again {
			r.queue.Remove(element)
			delete(r.dirty, path)
		}
		if a.Status != 0 {
			return a, true, nil
		}
	}
	return Announcement{}, false, r.set.err
}

// difference returns the next step of path from what was told to what is, if
// there is one, and whether another follows.
func (r *announcementReader) difference(path BroadcastPath) (a Announcement, again bool) {
	was, known := r.told[path]
	is := r.set.current[path]
	switch {
	case known && was.life != is:
		delete(r.told, path)
		return Announcement{Path: path, Status: AnnouncementEnded}, is != nil
	case is == nil:
		return Announcement{}, false
	case known && slices.Equal(was.hops, is.Hops) && was.warm == is.Warm && was.cold == is.Cold:
		return Announcement{}, false
	}
	r.told[path] = told{is, is.Hops, is.Warm, is.Cold}
	a = is.Announcement
	a.Hops = slices.Clone(a.Hops)
	a.Status = AnnouncementActive
	if known {
		a.Status = AnnouncementUpdated
	}
	return a, false
}

// Close implements [AnnouncementReader].
func (r *announcementReader) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.set.mu.Lock()
		defer r.set.mu.Unlock()
		r.set.readers = slices.DeleteFunc(r.set.readers, func(other *announcementReader) bool { return other == r })
	})
	return nil
}
