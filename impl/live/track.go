package live

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A Track is written once and read by any number of subscribers. It implements
// [api.TrackSink]: groups and frames are appended whether or not anyone reads,
// and no reader makes the writer wait. Groups may be opened in any order and
// written at the same time, each by a goroutine of its own.
//
// [NewTrack] makes a Track that does not belong to a [Broadcast].
type Track struct {
	info   api.TrackInfo
	limits Limits
	ctx    context.Context
	cancel context.CancelCauseFunc

	edge edge

	mu      sync.Mutex
	cache   cache
	next    api.GroupSequence // one above the highest number taken
	lost    numbers.Gaps      // written by WriteGap
	subs    []*subscription   // replaced, never changed
	demand  signal.Notice     // the result of Demand may have changed
	room    signal.Notice     // there may be room
	ended   bool              // no more groups can be opened
	aborted error             // set when all groups and readers were reset
	idle    bool              // aborted by CloseIdle
	retired bool              // by Retire
	forget  func()            // called when it is aborted or retired; may be nil
}

var (
	_ api.TrackSink = (*Track)(nil)
	_ api.GapWriter = (*Track)(nil)
)

// NewTrack returns an empty track. Zero fields of info are as in
// [api.InfoHandler], zero fields of limits are the defaults.
func NewTrack(info api.TrackInfo, limits Limits) *Track {
	t := &Track{info: info, limits: limits.withDefaults(&info)}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.cache.init(&info)
	return t
}

// Info returns the description that the track was made with.
func (t *Track) Info() api.TrackInfo { return t.info }

// Context implements [api.TrackSink]. It ends with Close and CloseWithError,
// but not when the last subscriber leaves.
func (t *Track) Context() context.Context { return t.ctx }

// Latest returns the newest group that is held; false if none is.
func (t *Track) Latest() (api.GroupSequence, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.cache.last(); g != nil {
		return g.seq, true
	}
	return 0, false
}

// Subscribers returns the number of subscriptions served now.
func (t *Track) Subscribers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.subs)
}

// OpenGroup implements [api.TrackSink]. It does not block.
func (t *Track) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open group: %w", context.Cause(ctx))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open(t.next)
}

// OpenGroupAt implements [api.TrackSink]. It does not block. Numbers may come
// in any order; a number below an evicted group is [api.ErrTooFarBehind].
func (t *Track) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, context.Cause(ctx))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open(seq)
}

// open opens a group. The lock is held.
func (t *Track) open(seq api.GroupSequence) (api.GroupWriter, error) {
	if err := t.usable(); err != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, err)
	}
	if seq >= maxNumber { // the end after it must travel too
		return nil, fmt.Errorf("open group %d: the number is too high", seq)
	}
	if t.lost.Has(seq) {
		return nil, fmt.Errorf("open group %d: it was given up before", seq)
	}
	g := newGroup(seq, &t.edge)
	if err := t.cache.insert(g); err != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, err)
	}
	t.next = max(t.next, seq+1)
	t.cache.evict(&t.limits, g.touched)
	t.lost.DropBelow(t.cache.floor)
	for _, s := range t.subs {
		s.offer(g)
	}
	return &groupWriter{track: t, group: g}, nil
}

// usable returns why no group may be opened, or nil. The lock is held.
func (t *Track) usable() error {
	switch {
	case t.aborted != nil:
		return t.aborted
	case t.ended:
		return api.ErrClosed
	default:
		return nil
	}
}

// admit counts a frame that begins and a chunk of the given size for it.
func (t *Track) admit(g *group, h *api.FrameHeader, chunk int) error {
	t.mu.Lock()
	first := !g.stamped
	err := t.take(g, frameCost+int64(chunk), h.Size)
	if err == nil {
		t.cache.stamp(g, h.Timestamp)
		if first {
			t.wakeAll() // what is before g may be too old now
		}
	}
	t.mu.Unlock()
	return t.refuse(g, err)
}

// reserve counts a chunk of the given size.
func (t *Track) reserve(g *group, chunk int) error {
	t.mu.Lock()
	err := t.take(g, int64(chunk), 0)
	t.mu.Unlock()
	return t.refuse(g, err)
}

// take counts n bytes for a group, which is known to grow by ahead bytes. The
// lock is held.
func (t *Track) take(g *group, n int64, ahead uint64) error {
	if g.released {
		return nil // publishing fails, and says why
	}
	room := t.limits.GroupBytes - g.held
	if n > room || ahead > uint64(max(room, 0)) {
		return errGroupTooLarge
	}
	if t.cache.take(g, n, &t.limits) {
		t.wakeAll()
	}
	return nil
}

var errGroupTooLarge = &api.StreamError{Code: api.StreamGroupTooLarge}

// refuse resets a group that has become too large, if err says so.
func (t *Track) refuse(g *group, err error) error {
	if err != nil {
		t.reset(g, api.StreamGroupTooLarge, errGroupTooLarge)
	}
	return err
}

// reset resets a group for everyone: readers get code, the writer gets
// writerErr.
func (t *Track) reset(g *group, code api.StreamErrorCode, writerErr error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !g.released {
		t.cache.release(g)
		g.fail(code, writerErr)
		t.wakeAll()
	}
	t.room.Tell()
}

// wakeAll wakes the goroutines that serve the subscriptions. The lock is held.
func (t *Track) wakeAll() {
	for _, s := range t.subs {
		s.awake.Wake()
	}
}

// SendDatagram implements [api.TrackSink]: the datagram goes to the current
// subscribers, and is not kept for later ones.
func (t *Track) SendDatagram(d api.Datagram) error {
	return t.sendDatagram(&d, d.Sequence == 0)
}

// SendDatagramAt implements [api.TrackSink]. The datagram goes to those
// subscribers that have neither got its number nor been told that it is lost.
func (t *Track) SendDatagramAt(seq api.GroupSequence, d api.Datagram) error {
	d.Sequence = seq
	return t.sendDatagram(&d, false)
}

// sendDatagram sends d with its number, or with the next one.
func (t *Track) sendDatagram(d *api.Datagram, next bool) error {
	if len(d.Payload) > maxDatagram {
		return fmt.Errorf("datagram of %d bytes: %w", len(d.Payload), api.ErrDatagramTooLarge)
	}
	if d.Sequence > maxNumber || d.Timestamp > maxNumber {
		return fmt.Errorf("datagram: number %d or timestamp %d is too high", d.Sequence, d.Timestamp)
	}
	t.mu.Lock()
	if err := t.usable(); err != nil {
		t.mu.Unlock()
		return fmt.Errorf("datagram: %w", err)
	}
	if next {
		d.Sequence = t.next
	}
	t.next = max(t.next, d.Sequence+1)
	to := t.subs
	for _, s := range t.subs {
		if !s.take(d.Sequence) { // as it rarely is
			to = slices.DeleteFunc(slices.Clone(to), func(other *subscription) bool { return other == s })
		}
	}
	t.mu.Unlock()
	for _, s := range to {
		s.sendDatagram(*d)
	}
	return nil
}

const maxDatagram = 1200

// Close implements [api.TrackSink]. Open groups may be finished; subscribers
// read them all, and then io.EOF. What the track holds stays available to later
// subscribers and fetches.
func (t *Track) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.cancel(api.ErrClosed)
	t.wakeAll()
	return nil
}

// CloseWithError implements [api.TrackSink]. It resets open groups with the
// code, and drops what the track holds. It may follow Close.
func (t *Track) CloseWithError(code api.StreamErrorCode) error {
	t.mu.Lock()
	tell := t.abort(code)
	t.mu.Unlock()
	tell()
	return nil
}

// Retire makes a [Broadcast] with OnTrack forget the track: the next request
// makes another one. Current readers go on.
func (t *Track) Retire() {
	t.mu.Lock()
	t.retired = true
	forget := t.forget
	t.mu.Unlock()
	if forget != nil {
		forget()
	}
}

// onForget sets a function to be called, without the track's lock, when the
// track is aborted or retired. It reports false if it is already.
func (t *Track) onForget(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget = f
	return t.aborted == nil && !t.retired
}

// abort resets all groups and readers. The lock is held; the caller calls the
// returned function without it.
func (t *Track) abort(code api.StreamErrorCode) (tell func()) {
	if t.aborted != nil {
		return func() {}
	}
	err := &api.StreamError{Code: code}
	t.ended, t.aborted = true, err
	t.cancel(err)
	t.cache.clear(code, err)
	t.wakeAll()
	t.room.Tell()
	if t.forget == nil {
		return func() {}
	}
	return t.forget
}

func (t *Track) isAborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted != nil
}

// join begins a subscription. It reports false if CloseIdle has aborted the
// track.
func (t *Track) join(w api.TrackWriter) (*subscription, bool) {
	s, config := newSubscription(t, w), w.Request().Config
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle {
		return nil, false
	}
	s.begin(config)
	t.subs = append(slices.Clone(t.subs), s)
	t.edge.count(len(t.subs))
	t.demand.Tell()
	t.room.Tell()
	return s, true
}

// leave ends a subscription.
func (t *Track) leave(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(other *subscription) bool { return other == s })
	t.edge.count(len(t.subs))
	t.demand.Tell()
	t.room.Tell()
}
