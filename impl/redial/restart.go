package redial

import "github.com/moqlite/moqlite/internal/signal"

// A restart is the begin of another numbering, of which the reader is told before
// the first group of that. Feeds of one numbering share it.
type restart struct {
	err  *RestartError
	told signal.Event // the reader knows, or need not
}

// isTold tells whether there is nothing to tell.
func (r *restart) isTold() bool {
	return r == nil || r.told.Happened()
}

// follow has r come after another restart, whose groups were passed on or not:
// where the reader does not know of that one yet, r is all that he is told.
func (r *restart) follow(before *restart, some bool) {
	switch {
	case !before.isTold():
		both := *r.err // others may have it already
		both.Before = before.err.Before
		r.err = &both
	case !some:
		r.told.Happen()
	}
}

// tellRestart returns when the reader knows of the numbering of f: the feed that
// has begun it tells, and others wait for that. It reports false when they wait
// in vain.
func (f *feed) tellRestart() bool {
	if f.restart.isTold() {
		return true
	}
	if f.same {
		select {
		case <-f.restart.told.Done():
			return true
		case <-f.life.Done():
		case <-f.track.ctx.Done():
		}
		return false
	}
	told := f.deliver(delivery{err: f.restart.err})
	if told {
		f.restart.told.Happen()
	}
	return told
}
