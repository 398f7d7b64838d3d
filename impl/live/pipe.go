package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// maxDatagrams is how many datagrams wait for a reader in this process. A new
// one then replaces the oldest, as on a network.
const maxDatagrams = 64

// Subscribe reads a track in this process, as [api.Subscriber] does over a
// session: the reader gets the payloads that the broadcast holds, at its own
// pace. A group that is evicted or becomes too old before it is accepted is a
// gap. StartFrame and EndFrame are ignored.
func (b *Broadcast) Subscribe(ctx context.Context, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	req := api.TrackRequest{Name: name}
	if config != nil {
		req.Config = *config
	}
	// Twice, as in ServeTrack.
	for range 2 {
		t, err := b.trackForRequest(ctx, req)
		if err != nil {
			return nil, err
		}
		p := newPipe(t, req)
		if s, ok := t.addSubscription(p); ok {
			go func() {
				s.serveTrack()
				p.setEnd(io.EOF)
			}()
			return &pipeReader{p}, nil
		}
	}
	return nil, &api.StreamError{Code: api.StreamCancelled}
}

// A pipe is both ends of a subscription in this process: the TrackWriter that
// the track writes to, and the TrackReader. It copies nothing and holds nothing
// but datagrams: groups wait in the track's cache, and each frame is handed over
// by a [pipeGroup]. So queue has at most as many groups as a subscription serves
// at the same time.
type pipe struct {
	track *Track

	updated signal.Wake
	ready   signal.Wake // a group, or the end
	arrived signal.Wake // a datagram, or the end

	// wanted ends when the reader has left, ctx when nothing more will come.
	wanted, ctx           context.Context
	cancelWanted, endLife context.CancelCauseFunc

	mu        sync.Mutex
	request   api.TrackRequest
	next      api.GroupSequence // one above the highest number opened
	open      []*pipeGroup      // whose end neither side has seen
	queue     []*pipeGroup      // waiting for AcceptGroup
	datagrams []api.Datagram
	gaps      numbers.Gaps
	over      error // what AcceptGroup returns after the queue
}

var (
	_ api.TrackWriter = (*pipe)(nil)
	_ api.GapWriter   = (*pipe)(nil)
	_ api.TrackReader = (*pipeReader)(nil)
)

func newPipe(t *Track, req api.TrackRequest) *pipe {
	p := &pipe{
		track:   t,
		request: req,
		updated: signal.NewWake(),
		ready:   signal.NewWake(),
		arrived: signal.NewWake(),
	}
	p.wanted, p.cancelWanted = context.WithCancelCause(context.Background())
	p.ctx, p.endLife = context.WithCancelCause(context.Background())
	return p
}

// Request implements [api.TrackWriter].
func (p *pipe) Request() api.TrackRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.request
}

// Updated implements [api.TrackWriter].
func (p *pipe) Updated() <-chan struct{} { return p.updated }

// Context implements [api.TrackSink].
func (p *pipe) Context() context.Context { return p.wanted }

// OpenGroup implements [api.TrackSink].
func (p *pipe) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	p.mu.Lock()
	next := p.next
	p.mu.Unlock()
	return p.OpenGroupAt(ctx, next)
}

// OpenGroupAt implements [api.TrackSink].
func (p *pipe) OpenGroupAt(_ context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, api.ErrClosed)
	}
	g := newPipeGroup(p, seq)
	p.next = max(p.next, seq+1)
	p.open = append(p.open, g)
	p.queue = append(p.queue, g)
	p.ready.Wake()
	return &pipeWriter{pipeGroup: g}, nil
}

// WriteGap implements [api.GapWriter].
func (p *pipe) WriteGap(g api.Gap) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gaps.Add(g)
	return nil
}

// SendDatagram implements [api.TrackSink].
func (p *pipe) SendDatagram(d api.Datagram) error {
	seq := d.Sequence
	if seq == 0 {
		p.mu.Lock()
		seq = p.next
		p.mu.Unlock()
	}
	return p.SendDatagramAt(seq, d)
}

// SendDatagramAt implements [api.TrackSink].
func (p *pipe) SendDatagramAt(seq api.GroupSequence, d api.Datagram) error {
	d.Sequence, d.Payload = seq, slices.Clone(d.Payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = max(p.next, seq+1)
	if len(p.datagrams) == maxDatagrams {
		p.datagrams = p.datagrams[1:]
	}
	p.datagrams = append(p.datagrams, d)
	p.arrived.Wake()
	return nil
}

// Close implements [api.TrackSink].
func (p *pipe) Close() error {
	p.setEnd(io.EOF)
	return nil
}

// CloseWithError implements [api.TrackSink].
func (p *pipe) CloseWithError(code api.StreamErrorCode) error {
	p.setEnd(&api.StreamError{Code: code, Remote: true})
	return nil
}

// setEnd sets the error that follows the queued groups. Only the first call
// counts.
func (p *pipe) setEnd(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == nil {
		p.over = err
		p.endLife(err)
	}
	p.ready.Wake()
	p.arrived.Wake()
}

// removeGroup removes a group that has ended, with lost if it was given up. If
// it still waits in the queue, it becomes a gap: a reader that accepts nothing
// must not make the queue grow.
func (p *pipe) removeGroup(g *pipeGroup, lost error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same := func(other *pipeGroup) bool { return other == g }
	p.open = slices.DeleteFunc(p.open, same)
	if i := slices.Index(p.queue, g); i >= 0 && lost != nil {
		p.queue = slices.Delete(p.queue, i, i+1)
		p.gaps.Add(api.Gap{Start: g.seq, End: g.seq + 1, Err: lost})
	}
}

// A pipeReader is the reader's end of a pipe.
type pipeReader struct{ *pipe }

// AcceptGroup implements [api.TrackReader].
func (p *pipeReader) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	for {
		g, err := p.takeGroup()
		if err != nil {
			return nil, err
		}
		if g != nil {
			lost := g.cancelError()
			if lost == nil {
				return g, nil
			}
			_ = p.WriteGap(api.Gap{Start: g.seq, End: g.seq + 1, Err: lost})
			continue
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// takeGroup removes and returns the next group; nil without an error if there is
// none yet.
func (p *pipeReader) takeGroup() (*pipeGroup, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		if p.over != nil {
			p.ready.Wake() // for the next call
		}
		return nil, p.over
	}
	g := p.queue[0]
	p.queue = p.queue[1:]
	if len(p.queue) > 0 {
		p.ready.Wake()
	}
	return g, nil
}

// ReceiveDatagram implements [api.TrackReader].
func (p *pipeReader) ReceiveDatagram(ctx context.Context, d *api.Datagram) error {
	for {
		p.mu.Lock()
		if len(p.datagrams) > 0 {
			first := p.datagrams[0]
			p.datagrams = p.datagrams[1:]
			if len(p.datagrams) > 0 {
				p.arrived.Wake()
			}
			p.mu.Unlock()
			first.Payload = append(d.Payload[:0], first.Payload...)
			*d = first
			return nil
		}
		err := p.over
		p.mu.Unlock()
		if err != nil {
			p.arrived.Wake()
			return err
		}
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Gaps implements [api.TrackReader].
func (p *pipeReader) Gaps() []api.Gap {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gaps.Take()
}

// Info implements [api.TrackReader].
func (p *pipeReader) Info() api.TrackInfo { return p.track.Info() }

// Update implements [api.TrackReader].
func (p *pipeReader) Update(config *api.SubscribeConfig) error {
	if config == nil {
		config = new(api.SubscribeConfig)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over != nil {
		return fmt.Errorf("update: %w", p.over)
	}
	p.request.Config = *config
	p.updated.Wake()
	return nil
}

// Close implements [api.TrackReader].
func (p *pipeReader) Close() error {
	p.setEnd(api.ErrClosed)
	p.mu.Lock()
	p.over = api.ErrClosed
	open := slices.Clone(p.open)
	p.queue, p.datagrams = nil, nil
	p.mu.Unlock()
	p.cancelWanted(&api.StreamError{Code: api.StreamCancelled, Remote: true})
	for _, g := range open {
		g.Cancel(api.StreamCancelled)
	}
	return nil
}

// Context implements [api.TrackReader].
func (p *pipeReader) Context() context.Context { return p.ctx }
