package apitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A TrackRecorder is an [api.TrackWriter] for the test of a handler: it records
// the groups that the handler writes.
//
//	w := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{Path: "room", Name: "video"})
//	handler.ServeTrack(w)
//	w.Groups() // what was written
type TrackRecorder struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	updated chan struct{}

	mu      sync.Mutex
	request api.TrackRequest
	next    api.GroupSequence
	groups  []*GroupRecorder
	sent    []api.Datagram
	gaps    []api.Gap
	closed  bool
	code    *api.StreamErrorCode
}

var (
	_ api.TrackWriter = (*TrackRecorder)(nil)
	_ api.GapWriter   = (*TrackRecorder)(nil)
)

// NewTrackRecorder returns a recorder for the subscription req. When ctx ends,
// the subscriber has left.
func NewTrackRecorder(ctx context.Context, req api.TrackRequest) *TrackRecorder {
	w := &TrackRecorder{request: req, updated: make(chan struct{}, 1)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// Groups returns the groups opened so far, in the order of their numbers.
func (w *TrackRecorder) Groups() []*GroupRecorder {
	w.mu.Lock()
	defer w.mu.Unlock()
	groups := slices.Clone(w.groups)
	slices.SortFunc(groups, func(a, b *GroupRecorder) int { return int(a.seq) - int(b.seq) })
	return groups
}

// Datagrams returns the datagrams sent so far.
func (w *TrackRecorder) Datagrams() []api.Datagram {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// Gaps returns the gaps written so far, in that order.
func (w *TrackRecorder) Gaps() []api.Gap {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.gaps)
}

// Closed reports whether the track has ended, and with which code if it was
// aborted.
func (w *TrackRecorder) Closed() (closed bool, code *api.StreamErrorCode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed, w.code
}

// Update changes the subscriber's config, as a SUBSCRIBE_UPDATE does.
func (w *TrackRecorder) Update(c api.SubscribeConfig) {
	w.mu.Lock()
	w.request.Config = c
	w.mu.Unlock()
	select {
	case w.updated <- struct{}{}:
	default:
	}
}

// Request implements [api.TrackWriter].
func (w *TrackRecorder) Request() api.TrackRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.request
}

// Updated implements [api.TrackWriter].
func (w *TrackRecorder) Updated() <-chan struct{} { return w.updated }

// Context implements [api.TrackSink].
func (w *TrackRecorder) Context() context.Context { return w.ctx }

// OpenGroup implements [api.TrackSink].
func (w *TrackRecorder) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	w.mu.Lock()
	seq := w.next
	w.mu.Unlock()
	return w.OpenGroupAt(ctx, seq)
}

// OpenGroupAt implements [api.TrackSink].
func (w *TrackRecorder) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case w.ctx.Err() != nil:
		return nil, context.Cause(w.ctx)
	case slices.ContainsFunc(w.groups, func(g *GroupRecorder) bool { return g.seq == seq }):
		return nil, fmt.Errorf("open group %d: it was opened before", seq)
	}
	g := &GroupRecorder{seq: seq}
	g.ctx, g.cancel = context.WithCancelCause(w.ctx)
	w.groups = append(w.groups, g)
	w.next = max(w.next, seq+1)
	return g, nil
}

// SendDatagram implements [api.TrackSink].
func (w *TrackRecorder) SendDatagram(d api.Datagram) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.Payload = bytes.Clone(d.Payload)
	w.sent = append(w.sent, d)
	return nil
}

// SendDatagramAt implements [api.TrackSink].
func (w *TrackRecorder) SendDatagramAt(seq api.GroupSequence, d api.Datagram) error {
	d.Sequence = seq
	return w.SendDatagram(d)
}

// WriteGap implements [api.GapWriter].
func (w *TrackRecorder) WriteGap(g api.Gap) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gaps = append(w.gaps, g)
	w.next = max(w.next, g.End)
	return nil
}

// Close implements [api.TrackSink].
func (w *TrackRecorder) Close() error {
	w.endTrack(nil)
	return nil
}

// CloseWithError implements [api.TrackSink].
func (w *TrackRecorder) CloseWithError(code api.StreamErrorCode) error {
	w.endTrack(&code)
	return nil
}

func (w *TrackRecorder) endTrack(code *api.StreamErrorCode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed, w.code = true, code
		w.cancel(api.ErrClosed)
	}
}

// A GroupRecorder is an [api.GroupWriter] that records its frames.
type GroupRecorder struct {
	seq    api.GroupSequence
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	frames  []api.Frame
	skipped uint64
	left    uint64 // bytes missing of the frame that is being written
	closed  bool
	code    *api.StreamErrorCode
}

var _ api.GroupWriter = (*GroupRecorder)(nil)

// NewGroupRecorder returns a recorder of one group, for example for the test of
// a fetch handler.
func NewGroupRecorder(ctx context.Context, seq api.GroupSequence) *GroupRecorder {
	g := &GroupRecorder{seq: seq}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// Frames returns the frames written so far.
func (g *GroupRecorder) Frames() []api.Frame {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.frames)
}

// Closed reports whether the group has ended, and with which code if it was
// cancelled.
func (g *GroupRecorder) Closed() (closed bool, code *api.StreamErrorCode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed, g.code
}

// Sequence implements [api.GroupWriter].
func (g *GroupRecorder) Sequence() api.GroupSequence { return g.seq }

// Context implements [api.GroupWriter].
func (g *GroupRecorder) Context() context.Context { return g.ctx }

// WriteFrame implements [api.GroupWriter].
func (g *GroupRecorder) WriteFrame(f api.Frame) error {
	w, err := g.StartFrame(api.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))})
	if err == nil {
		_, err = w.Write(f.Payload)
	}
	return err
}

// StartFrame implements [api.GroupWriter].
func (g *GroupRecorder) StartFrame(h api.FrameHeader) (io.Writer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return nil, api.ErrClosed
	case g.left > 0:
		g.endGroup(api.StreamWrongSize)
		return nil, &api.StreamError{Code: api.StreamWrongSize}
	}
	g.frames = append(g.frames, api.Frame{Timestamp: h.Timestamp, Payload: []byte{}})
	g.left = h.Size
	return (*frameRecorder)(g), nil
}

// frameRecorder writes the last frame's payload.
type frameRecorder GroupRecorder

func (r *frameRecorder) Write(p []byte) (int, error) {
	g := (*GroupRecorder)(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return 0, api.ErrClosed
	case uint64(len(p)) > g.left:
		return 0, io.ErrShortBuffer
	}
	f := &g.frames[len(g.frames)-1]
	f.Payload = append(f.Payload, p...)
	g.left -= uint64(len(p))
	return len(p), nil
}

// SkipFrames implements [api.GroupWriter].
func (g *GroupRecorder) SkipFrames(n uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.skipped = n
	return nil
}

// Close implements [api.GroupWriter].
func (g *GroupRecorder) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left > 0 {
		g.endGroup(api.StreamWrongSize)
		return &api.StreamError{Code: api.StreamWrongSize}
	}
	if !g.closed {
		g.closed = true
		g.cancel(api.ErrClosed)
	}
	return nil
}

// Cancel implements [api.GroupWriter].
func (g *GroupRecorder) Cancel(code api.StreamErrorCode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endGroup(code)
}

// endGroup ends the group with a code. The lock is held.
func (g *GroupRecorder) endGroup(code api.StreamErrorCode) {
	if !g.closed {
		g.closed, g.code = true, &code
		g.cancel(api.ErrClosed)
	}
}
