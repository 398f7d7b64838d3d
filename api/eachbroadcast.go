package api

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// EachBroadcast calls f for each broadcast that is announced below prefix, now
// or later, in a goroutine of its own. The ctx of f ends when the broadcast has
// ended, and when EachBroadcast is about to return.
//
//	err := api.EachBroadcast(ctx, session, "fleet", func(ctx context.Context, a api.Announcement) {
//		track, err := session.Subscribe(ctx, a.Path, "position", nil)
//		…
//	})
//
// For one path f runs once at a time: when a broadcast ends and comes again, it
// is called again as soon as the call before has returned. A call that returns
// before its broadcast has ended is not repeated until then. Changes of routes
// are not told; an announcement of a path above counts as one, see
// [AnnouncementReader].
//
// A broadcast's last groups and the news of its end come by different streams. A
// program that wants all of them reads with the ctx that it has passed to
// EachBroadcast, until the tracks end, and not with that of f; see [WaitEnded]
// too.
//
// EachBroadcast returns when the announcements have ended and all calls of f
// have returned: nil if the peer has ended them (io.EOF), and else an error that
// wraps the cause of ctx, that of the session, or that for which the peer has
// reset them.
func EachBroadcast(ctx context.Context, s Subscriber, prefix string, f func(ctx context.Context, a Announcement)) error {
	r, err := s.Announcements(ctx, prefix)
	if err != nil {
		return fmt.Errorf("follow the broadcasts below %q: %w", prefix, err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	e := eachBroadcast{ctx: ctx, f: f, calls: make(map[BroadcastPath]*broadcastCalls)}
	for {
		a, err := r.Receive(ctx)
		if err == io.EOF {
			cancel(nil) // io.EOF as a cause would look like the end of what f reads
			e.running.Wait()
			return nil
		}
		if err != nil {
			cancel(err)
			e.running.Wait()
			return fmt.Errorf("follow the broadcasts below %q: %w", prefix, err)
		}
		switch a.Status {
		case AnnouncementActive:
			e.begin(a)
		case AnnouncementEnded:
			e.end(a.Path)
		}
	}
}

// eachBroadcast is the state of an EachBroadcast: a goroutine for each path
// whose function runs.
type eachBroadcast struct {
	ctx     context.Context
	f       func(ctx context.Context, a Announcement)
	running sync.WaitGroup

	mu    sync.Mutex
	calls map[BroadcastPath]*broadcastCalls
}

// broadcastCalls are the calls for one path: the one that runs, and the
// broadcast that has come since its own has ended.
type broadcastCalls struct {
	end  context.CancelFunc // of the broadcast that is there, or was there last
	next func()             // the call that waits for the one that runs, or nil
}

// begin calls the function for a broadcast, now or after the call that still
// runs for its path.
func (e *eachBroadcast) begin(a Announcement) {
	ctx, end := context.WithCancel(e.ctx)
	call := func() {
		defer end()
		e.f(ctx, a)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.calls[a.Path]; c != nil {
		c.end() // if the peer has not told the end of the one before
		c.end, c.next = end, call
		return
	}
	c := &broadcastCalls{end: end, next: call}
	e.calls[a.Path] = c
	e.running.Go(func() {
		for call := e.next(a.Path, c); call != nil; call = e.next(a.Path, c) {
			call()
		}
	})
}

// next returns the call to make for a path; nil if there is none any more.
func (e *eachBroadcast) next(path BroadcastPath, c *broadcastCalls) func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	call := c.next
	c.next = nil
	if call == nil || e.ctx.Err() != nil {
		delete(e.calls, path)
		return nil
	}
	return call
}

// end ends the broadcast at a path. A call that has not begun is not made.
func (e *eachBroadcast) end(path BroadcastPath) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.calls[path]; c != nil {
		c.end()
		c.next = nil
	}
}
