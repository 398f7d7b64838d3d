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

	newest newestFrame

	// mu is below Broadcast.mu and above group.mu, which are locked in this
	// order. It guards what its subscriptions keep about groups, too. While it
	// is held nothing is written to a subscriber, so that one that blocks
	// delays neither the track's writers nor other subscribers.
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
	onGone  func()            // called when it is aborted or retired; may be nil
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
	t.cache.initCache(&info)
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
	return t.openGroup(t.next)
}

// OpenGroupAt implements [api.TrackSink]. It does not block. Numbers may come
// in any order; a number below an evicted group is [api.ErrTooFarBehind].
func (t *Track) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, context.Cause(ctx))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.openGroup(seq)
}

// openGroup opens a group. The lock is held.
func (t *Track) openGroup(seq api.GroupSequence) (api.GroupWriter, error) {
	if err := t.closedError(); err != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, err)
	}
	if seq >= maxNumber { // the end after it must travel too
		return nil, fmt.Errorf("open group %d: the number is too high", seq)
	}
	if t.lost.Has(seq) {
		return nil, fmt.Errorf("open group %d: it was given up before", seq)
	}
	g := newGroup(seq, &t.newest)
	if err := t.cache.insert(g); err != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, err)
	}
	t.next = max(t.next, seq+1)
	t.cache.evict(&t.limits, g.touched)
	t.lost.DropBelow(t.cache.floor)
	for _, s := range t.subs {
		s.offerGroup(g)
	}
	return &groupWriter{track: t, group: g}, nil
}

// closedError returns why no group may be opened, or nil. The lock is held.
func (t *Track) closedError() error {
	switch {
	case t.aborted != nil:
		return t.aborted
	case t.ended:
		return api.ErrClosed
	default:
		return nil
	}
}

// admitFrame counts a frame that begins and a chunk of the given size for it.
func (t *Track) admitFrame(g *group, h *api.FrameHeader, chunk int) error {
	t.mu.Lock()
	first := !g.stamped
	err := t.reserveBytes(g, frameCost+int64(chunk), h.Size)
	if err == nil {
		t.cache.setTimestamp(g, h.Timestamp)
		if first {
			t.wakeAll() // what is before g may be too old now
		}
	}
	t.mu.Unlock()
	return t.resetIfTooLarge(g, err)
}

// reserveChunk counts a chunk of the given size.
func (t *Track) reserveChunk(g *group, chunk int) error {
	t.mu.Lock()
	err := t.reserveBytes(g, int64(chunk), 0)
	t.mu.Unlock()
	return t.resetIfTooLarge(g, err)
}

// reserveBytes counts n bytes for a group, which is known to grow by ahead
// bytes. The lock is held.
func (t *Track) reserveBytes(g *group, n int64, ahead uint64) error {
	if g.released {
		return nil // publishing fails, and says why
	}
	room := t.limits.GroupBytes - g.held
	if n > room || ahead > uint64(max(room, 0)) {
		return errGroupTooLarge
	}
	if t.cache.addBytes(g, n, &t.limits) {
		t.wakeAll()
	}
	return nil
}

// errGroupTooLarge is what the writer of a group gets that has exceeded
// Limits.GroupBytes, now and later.
var errGroupTooLarge = &api.StreamError{Code: api.StreamGroupTooLarge}

// resetIfTooLarge resets a group that has become too large, if err says so.
func (t *Track) resetIfTooLarge(g *group, err error) error {
	if err != nil {
		t.resetGroup(g, api.StreamGroupTooLarge, errGroupTooLarge)
	}
	return err
}

// resetGroup resets a group for everyone: readers get code, the writer gets
// writerErr. Its memory is free at once, also if a reader is stuck in a write of
// one of its chunks: that reader keeps the one chunk alive, and nothing else.
func (t *Track) resetGroup(g *group, code api.StreamErrorCode, writerErr error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !g.released {
		t.cache.releaseFrames(g)
		g.resetWith(code, writerErr)
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
	if err := t.closedError(); err != nil {
		t.mu.Unlock()
		return fmt.Errorf("datagram: %w", err)
	}
	if next {
		d.Sequence = t.next
	}
	t.next = max(t.next, d.Sequence+1)
	to := t.subs
	for _, s := range t.subs {
		if !s.takeNumber(d.Sequence) { // as it rarely is
			to = slices.DeleteFunc(slices.Clone(to), func(other *subscription) bool { return other == s })
		}
	}
	t.mu.Unlock()
	for _, s := range to {
		s.sendDatagram(*d)
	}
	return nil
}

// maxDatagram is how much a datagram carries on every path, in bytes: the size
// that api.ErrDatagramTooLarge promises, less than the smallest QUIC packet.
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
	forget := t.onGone
	t.mu.Unlock()
	if forget != nil {
		forget()
	}
}

// setOnGone sets a function to be called, without the track's lock, when the
// track is aborted or retired. It reports false if it is already.
func (t *Track) setOnGone(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onGone = f
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
	if t.onGone == nil {
		return func() {}
	}
	return t.onGone
}

func (t *Track) isAborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted != nil
}

// addSubscription begins a subscription. It reports false if CloseIdle has
// aborted the track.
func (t *Track) addSubscription(w api.TrackWriter) (*subscription, bool) {
	s, config := newSubscription(t, w), w.Request().Config
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle {
		return nil, false
	}
	s.chooseStart(config)
	t.subs = append(slices.Clone(t.subs), s)
	t.newest.setReaders(len(t.subs))
	t.demand.Tell()
	t.room.Tell()
	return s, true
}

// removeSubscription ends a subscription.
func (t *Track) removeSubscription(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(other *subscription) bool { return other == s })
	t.newest.setReaders(len(t.subs))
	t.demand.Tell()
	t.room.Tell()
}
