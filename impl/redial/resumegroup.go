package redial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// With SubscribeConfig.Resume, the reader of a group that breaks off does not see
// that: it gets the rest by the same object. The newest group is brought by the
// next feed, which asks for it again (continuegroup.go); any other, and the newest
// if that feed does not bring it, is fetched.

// A resumedGroup is what AcceptGroup returns in place of a group: the group, and
// what follows it whenever it breaks off. One goroutine reads.
type resumedGroup struct {
	track *track
	first *group

	ctx    context.Context // ends when the reader cancels the group
	cancel context.CancelFunc

	err error // the reader's, once there is one

	mu      sync.Mutex
	current *group
}

var _ api.GroupReader = (*resumedGroup)(nil)

func newResumedGroup(t *track, g *group) *resumedGroup {
	r := &resumedGroup{track: t, first: g, current: g}
	r.ctx, r.cancel = context.WithCancel(t.ctx)
	return r
}

// Sequence implements [api.GroupReader].
func (r *resumedGroup) Sequence() api.GroupSequence { return r.first.Sequence() }

// FirstFrame implements [api.GroupReader].
func (r *resumedGroup) FirstFrame() uint64 { return r.first.FirstFrame() }

// Cancel implements [api.GroupReader].
func (r *resumedGroup) Cancel(code api.StreamErrorCode) {
	r.cancel()
	g := r.now()
	g.Cancel(code)
	r.track.unfollow(g)
}

// ReadFrame implements [api.GroupReader].
func (r *resumedGroup) ReadFrame(f *api.Frame) error {
	for {
		g := r.now()
		err := g.ReadFrame(f)
		if err == nil {
			return nil
		}
		if err = r.resume(g, err); err != nil {
			return err
		}
	}
}

// NextFrame implements [api.GroupReader].
func (r *resumedGroup) NextFrame() (api.FrameHeader, io.Reader, error) {
	for {
		g := r.now()
		h, payload, err := g.NextFrame()
		if err == nil {
			return h, &resumedBody{group: r, header: h, payload: payload, left: h.Size}, nil
		}
		if err = r.resume(g, err); err != nil {
			return api.FrameHeader{}, nil, err
		}
	}
}

// now returns the group that is read now.
func (r *resumedGroup) now() *group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// resume waits for what follows g, whose reading has ended with err. It returns the
// error for the reader if nothing does.
func (r *resumedGroup) resume(g *group, err error) error {
	if r.err != nil {
		return r.err
	}
	next, err := r.follow(g, err)
	if err != nil {
		r.err = err
		r.cancel()
		r.track.unfollow(g)
		return err
	}
	r.mu.Lock()
	r.current = next
	r.mu.Unlock()
	if r.ctx.Err() != nil && r.track.ctx.Err() == nil { // Cancel may have seen g
		next.Cancel(api.StreamCancelled)
	}
	return nil
}

// follow hands what follows a group that broke off to the reader of that. The lock
// is held.
func (t *track) follow(g, next *group) {
	g.followed.Happen()
	if g == t.numbering.last {
		t.numbering.last = next
		t.wakeIfNewest(next)
	}
}

// unfollow cancels what follows g, or would.
func (t *track) unfollow(g *group) {
	t.mu.Lock()
	next := g.after
	if g.outcome == broken {
		g.outcome = cancelled
	}
	t.mu.Unlock()
	if next != nil {
		next.Cancel(api.StreamCancelled)
	}
}

// A resumedBody is the payload of a frame. If it breaks off, the frame comes
// again, and the body goes on behind what the reader has had.
type resumedBody struct {
	group   *resumedGroup
	header  api.FrameHeader
	payload io.Reader
	left    uint64
}

var _ io.WriterTo = (*resumedBody)(nil)

// Read implements [io.Reader].
func (b *resumedBody) Read(p []byte) (int, error) {
	n, err := b.payload.Read(p)
	b.left -= uint64(n)
	if err != nil && err != io.EOF && b.left > 0 {
		err = b.resume(err)
	}
	return n, err
}

// WriteTo implements [io.WriterTo].
func (b *resumedBody) WriteTo(w io.Writer) (written int64, err error) {
	for b.left > 0 {
		to := errorWriter{Writer: w}
		n, err := io.Copy(&to, b.payload)
		written += n
		b.left -= uint64(n)
		switch {
		case err == nil:
			return written, nil
		case to.err != nil:
			return written, err
		}
		if err = b.resume(err); err != nil {
			return written, err
		}
	}
	return written, nil
}

// resume waits for the frame to come again, and skips what the reader has had.
func (b *resumedBody) resume(err error) error {
	r := b.group
	if err = r.resume(r.now(), err); err != nil {
		return err
	}
	for {
		g := r.now()
		h, payload, err := g.NextFrame()
		if err == nil && h.Size != b.header.Size {
			return fmt.Errorf("resume group %d: the frame has another size: %w", r.Sequence(), &api.StreamError{Code: api.StreamWrongSize, Remote: true})
		}
		if err == nil {
			_, err = io.CopyN(io.Discard, payload, int64(h.Size-b.left))
		}
		if err == nil {
			b.payload = payload
			return nil
		}
		if err = r.resume(g, err); err != nil {
			return err
		}
	}
}

// follow waits for the group that follows g.
func (r *resumedGroup) follow(g *group, err error) (*group, error) {
	t := r.track
	if !t.mayFollow(g, err) {
		return nil, err
	}
	ticker := time.NewTicker(lookAgainAfter)
	defer ticker.Stop()
	since := time.Now()
	for {
		switch next, ask := t.following(g, since); {
		case next != nil:
			return next, nil
		case ask:
			return r.fetchRest(g, err)
		}
		select {
		case <-g.followed.Done():
		case <-g.numbering.over.Done():
			return nil, fmt.Errorf("group %d cannot go on: %w", g.Sequence(), g.numbering.ended)
		case <-ticker.C:
		case <-r.ctx.Done():
			switch cause := context.Cause(t.ctx); cause {
			case nil:
				return nil, api.ErrClosed
			case io.EOF: // the track has ended without the rest
				return nil, err
			default:
				return nil, cause
			}
		}
	}
}

// mayFollow reports whether a group that ended with err has broken off on its way,
// rather than by its publisher's or its reader's will.
func (t *track) mayFollow(g *group, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.outcome != broken {
		return false
	}
	reset, ok := errors.AsType[*api.StreamError](err)
	return g.lost || ok && reset.Remote && (isGoAwayReset(err) || reset.Code == api.StreamInternal || reset.Code == api.StreamUnroutable)
}

// following returns the group that follows g, if it has come; else whether the rest
// of g is to be fetched, since no feed brings it: one of another session did not
// ask for it, or has not brought it in time, or there is no other session since g
// broke off.
func (t *track) following(g *group, since time.Time) (next *group, fetch bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.followed.Happened() {
		return g.after, false
	}
	f := t.newest
	switch {
	case f == g.by:
		return nil, !f.isDone() && !f.link.isReplaced() && time.Since(since) > withdrawnWithin
	case f.isDone():
		return nil, false
	case f.again.latest() == g:
		return nil, time.Since(f.opened) > regainWithin && time.Since(since) > regainWithin
	default:
		return nil, g != t.numbering.last || time.Since(since) > withdrawnWithin
	}
}

func (t *track) wantedPriority() api.Priority {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.config.Priority
}

// fetchRest fetches what the reader of g has not had.
func (r *resumedGroup) fetchRest(g *group, broke error) (*group, error) {
	t, from := r.track, g.next.Load()
	req := api.FetchRequest{Path: t.path, Name: t.name, Group: g.Sequence(), StartFrame: from, Priority: t.wantedPriority()}
	rest, err := t.session.Fetch(r.ctx, req)
	if errors.Is(err, api.ErrNotSupported) && from > 0 {
		req.StartFrame = 0 // the version cannot ask for a frame: newGroup skips what the reader has had
		rest, err = t.session.Fetch(r.ctx, req)
	}
	if err != nil {
		return nil, fmt.Errorf("group %d broke off (%w) and cannot go on: %w", g.Sequence(), broke, err)
	}
	out := newGroup(rest, from, func(out *group, err error) error {
		t.noteEnd(out, false, err)
		return err
	})
	t.mu.Lock()
	out.by, out.numbering = g.by, g.numbering
	switch next := g.after; {
	case next != nil: // a feed has brought it meanwhile
		defer out.Cancel(api.StreamCancelled)
		defer t.mu.Unlock()
		return next, nil
	case g.numbering.over.Happened():
		defer out.Cancel(api.StreamCancelled)
		defer t.mu.Unlock()
		return nil, fmt.Errorf("group %d cannot go on: %w", g.Sequence(), g.numbering.ended)
	}
	defer t.mu.Unlock()
	g.after = out
	t.follow(g, out)
	return out, nil
}
