package send

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// A stubHost is a session without a connection. What the peer allows is set by the test.
type stubHost struct {
	t      *testing.T
	queue  *Queue
	ranked bool          // streams have priorities and can be written without blocking
	slow   time.Duration // how long each of these writes takes all the same
	credit int           // of streams when they are opened

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something below has changed
	streams int           // how many streams the peer allows besides
	over    bool
	noneAt  int // how often the last group was over
}

func newStubHost(t *testing.T, ranked bool) *stubHost {
	h := &stubHost{t: t, ranked: ranked, changed: make(chan struct{})}
	h.queue = NewQueue(h, message.VersionByName(string(api.Lite04)), ranked)
	return h
}

// set changes what the peer allows.
func (h *stubHost) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	close(h.changed)
	h.changed = make(chan struct{})
}

// await waits until done, which is called with the lock held, returns true. It reports
// false if ctx ends before that.
func (h *stubHost) await(ctx context.Context, done func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !done() {
		changed := h.changed
		h.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			h.mu.Lock()
			return false
		}
		h.mu.Lock()
	}
	return true
}

func (h *stubHost) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !h.await(ctx, func() bool { return h.streams > 0 || h.over }) {
		return nil, ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil, errors.New("the session has ended")
	}
	h.streams--
	return newStubStream(h), nil
}

func newStubStream(h *stubHost) transport.SendStream {
	st := &stubStream{host: h, credit: h.credit}
	if h.ranked {
		return &rankedStream{stubStream: st}
	}
	return st
}

func (h *stubHost) Spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		go f()
	}
	return !h.over
}

func (h *stubHost) Lost(err error) error { return err }

func (h *stubHost) NoGroups() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noneAt++
}

// A stubStream is a stream with as much credit as the test gives. All but host is guarded
// by host.mu.
type stubStream struct {
	host     *stubHost
	credit   int
	got      []byte
	writing  bool
	late     bool // the deadline has passed
	closed   bool
	err      error // of later writes
	priority int8
}

// begin notes that a write begins.
func (st *stubStream) begin() {
	st.host.mu.Lock()
	defer st.host.mu.Unlock()
	if st.writing || st.closed {
		st.host.t.Error("a stream is written by two goroutines, or after its end")
	}
	st.writing = true
}

// accept takes what there is credit for of p. ok is false if a write would block.
func (st *stubStream) accept(p *[]byte) (n int, err error, ok bool) {
	n = min(st.credit, len(*p))
	if st.err == nil && !st.late {
		st.got = append(st.got, (*p)[:n]...)
		st.credit -= n
		*p = (*p)[n:]
		return n, nil, len(*p) == 0
	}
	if st.err != nil {
		return 0, st.err, true
	}
	return 0, os.ErrDeadlineExceeded, true
}

func (st *stubStream) Write(p []byte) (n int, err error) {
	st.begin()
	st.host.await(context.Background(), func() bool {
		more, failed, ok := st.accept(&p)
		n, err = n+more, failed
		return ok
	})
	st.host.set(func() { st.writing = false })
	return n, err
}

func (st *stubStream) Close() error {
	st.host.set(func() {
		if st.writing {
			st.host.t.Error("a stream is closed during a write")
		}
		st.closed = true
	})
	return nil
}

func (st *stubStream) CancelWrite(code uint64) {
	st.host.set(func() { st.err = &transport.StreamError{Code: code} })
}

func (st *stubStream) SetWriteDeadline(t time.Time) error {
	st.host.set(func() { st.late = !t.IsZero() })
	return nil
}

func (st *stubStream) Context() context.Context { return context.Background() }

// A rankedStream is one with the abilities of the better transports.
type rankedStream struct{ *stubStream }

func (st *rankedStream) TryWrite(p []byte) (int, error) {
	st.begin()
	if st.host.slow > 0 {
		time.Sleep(st.host.slow)
	}
	st.host.mu.Lock()
	defer st.host.mu.Unlock()
	n, err, _ := st.accept(&p)
	st.writing = false
	return n, err
}

func (st *rankedStream) SetPriority(urgency int8, _ bool) {
	st.host.set(func() { st.priority = urgency })
}

// A stubOwner is the owner of all groups of a test.
type stubOwner struct {
	mu   sync.Mutex
	ends map[*Group]Ending
}

func (o *stubOwner) AppendHeader(b []byte, g *Group, _ uint64) []byte {
	return append(b, header(g.Sequence())...)
}

func header(seq api.GroupSequence) string { return "group " + string(rune('a'+seq%26)) + ":" }

func (o *stubOwner) FrameBegins(*Group, uint64) {}

func (o *stubOwner) GroupDone(g *Group, end Ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ends == nil {
		o.ends = make(map[*Group]Ending)
	}
	o.ends[g] = end
}
