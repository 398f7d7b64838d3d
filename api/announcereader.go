package api

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// An announcementReader is one reader's position in its set. The set's lock
// guards it.
type announcementReader struct {
	set    *AnnouncementSet
	prefix BroadcastPath

	began   uint64                  // the number of changes when it began
	next    *announced              // the first life it was not told of; nil for none
	changes []change                // of lives that it was told of, the oldest first
	noted   map[*announced]struct{} // the lives in changes
	cover   *announced              // the broadcast at prefix that a path above provides, or nil

	initial    bool   // AnnouncementsComplete is still to be told
	initialEnd uint64 // after the change of this number

	ready  chan struct{} // buffered 1: something may have changed
	closed chan struct{}
	once   sync.Once
}

// A change says that a life which the reader was told of, or its cover, has
// ended or changed.
type change struct {
	life *announced
	step uint64
}

// follows reports whether a broadcast lies below the prefix and is not hidden.
func (r *announcementReader) follows(life *announced) bool {
	if r.prefix == "" {
		return !life.hidden
	}
	return life.path.HasPrefix(r.prefix) && !hidden(life.path.Rel(r.prefix))
}

// hidden reports whether a segment of rest, a path relative to a prefix, begins
// with a dot.
func hidden(rest BroadcastPath) bool {
	return strings.HasPrefix(string(rest), ".") || strings.Contains(string(rest), "/.")
}

// knows reports whether the reader was told of a life that is in the set's
// list.
func (r *announcementReader) knows(life *announced) bool {
	return (r.next == nil || life.born < r.next.born) && r.follows(life)
}

// note queues a life's change for the reader. If a change of it is queued
// already, that one will tell the newest state.
func (r *announcementReader) note(life *announced) {
	if _, waits := r.noted[life]; waits {
		return
	}
	if r.noted == nil {
		r.noted = make(map[*announced]struct{})
	}
	r.noted[life] = struct{}{}
	r.changes = append(r.changes, change{life, r.set.steps})
	r.wake()
}

// complete makes the reader tell AnnouncementsComplete after what is there now.
func (r *announcementReader) complete() {
	r.initial, r.initialEnd = true, r.set.steps
	r.wake()
}

// wake wakes Receive, which then looks for what is next. It never blocks: one wake
// is kept for a Receive that is called later.
func (r *announcementReader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Receive implements [AnnouncementReader]. What has been announced is returned even
// if ctx has ended, but nothing after Close.
func (r *announcementReader) Receive(ctx context.Context) (Announcement, error) {
	for {
		select {
		case <-r.closed:
			return Announcement{}, ErrClosed
		default:
		}
		if a, ok, err := r.takeNext(); ok || err != nil {
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

// takeNext returns the next announcement for the reader, in the order of the
// changes; false if there is none.
func (r *announcementReader) takeNext() (Announcement, bool, error) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for r.next != nil && !r.follows(r.next) {
		r.next = r.next.next
	}
	// Of what is next in the list and what is next among the changes, the one
	// that happened earlier goes first.
	changed := len(r.changes) > 0 && (r.next == nil || r.changes[0].step < r.next.born)
	switch {
	case r.initial && !r.within(changed):
		r.initial = false
		return Announcement{Status: AnnouncementsComplete}, true, nil
	case changed:
		return r.takeChange(), true, nil
	case r.next != nil:
		life := r.next
		r.next = life.next
		return life.tell(AnnouncementActive), true, nil
	default:
		return Announcement{}, false, r.set.err
	}
}

// takeActive fills room with broadcasts that were there when the reader began
// and that it was not told of yet. It returns how many there were.
func (r *announcementReader) takeActive(room []Announcement) (n int) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for n < len(room) && r.next != nil && r.next.born <= r.began {
		if r.follows(r.next) {
			room[n] = r.next.tell(AnnouncementActive)
			n++
		}
		r.next = r.next.next
	}
	if c := r.cover; n < len(room) && c != nil && !c.told && c.born <= r.began {
		c.told = true
		room[n] = c.tell(AnnouncementActive)
		n++
	}
	return n
}

// within reports whether the next announcement, a change if changed is true,
// belongs to the initial set.
func (r *announcementReader) within(changed bool) bool {
	switch {
	case changed:
		return r.changes[0].step <= r.initialEnd
	default:
		return r.next != nil && r.next.born <= r.initialEnd
	}
}

// takeChange takes the oldest change and returns it as the state that its life has
// now. When no change is left, it frees the queue, which may have been long.
func (r *announcementReader) takeChange() Announcement {
	life := r.changes[0].life
	r.changes[0] = change{}
	r.changes = r.changes[1:]
	delete(r.noted, life)
	if len(r.changes) == 0 {
		r.changes, r.noted = nil, nil
	}
	switch {
	case life.over:
		return Announcement{Path: life.path, Status: AnnouncementEnded}
	case life.above != nil && !life.told:
		life.told = true
		return life.tell(AnnouncementActive)
	default:
		return life.tell(AnnouncementUpdated)
	}
}

// tell returns the announcement of a life in its current state.
func (life *announced) tell(status AnnouncementStatus) Announcement {
	return Announcement{
		Path:        life.path,
		Status:      status,
		Hops:        life.route.hops,
		Warm:        life.route.warm,
		Cold:        life.route.cold,
		Publication: life.publication,
	}
}

// Close implements [AnnouncementReader].
func (r *announcementReader) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.set.mu.Lock()
		defer r.set.mu.Unlock()
		r.set.readers = slices.DeleteFunc(r.set.readers, func(other *announcementReader) bool { return other == r })
		// The application may keep the reader: it must not keep the lives.
		r.next, r.changes, r.noted, r.cover = nil, nil, nil, nil
	})
	return nil
}
