package redial

// A restart is the begin of another numbering, of which the reader is told before
// the first group of that. Feeds of one numbering share it.
type restart struct {
	err  *RestartError
	told chan struct{} // closed when the reader knows, or need not
}

func newRestart(err *RestartError) *restart {
	return &restart{err: err, told: make(chan struct{})}
}

// isTold tells whether there is nothing to tell.
func (r *restart) isTold() bool {
	if r == nil {
		return true
	}
	select {
	case <-r.told:
		return true
	default:
		return false
	}
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
		close(r.told)
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
		case <-f.restart.told:
			return true
		case <-f.life.Done():
		case <-f.track.ctx.Done():
		}
		return false
	}
	told := f.deliver(delivery{err: f.restart.err})
	if told {
		close(f.restart.told)
	}
	return told
}
