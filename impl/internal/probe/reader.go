package probe

import (
	"context"
	"errors"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A Reader receives the reports on a stream. It implements [api.BitrateReader]. Make one
// with [NewReader] and call Run once.
type Reader struct {
	stream    *control.Stream
	translate func(error) error
	ready     signal.Wake // wakes Receive

	mu     sync.Mutex
	latest *api.Bitrate // the newest report; nil once Receive has returned it
	err    error        // what Receive returns after the last report
}

var _ api.BitrateReader = (*Reader)(nil)

// NewReader returns a Reader of the Probe stream st. Receive returns the error that the
// stream ends with as translate returns it.
func NewReader(st *control.Stream, translate func(error) error) *Reader {
	return &Reader{stream: st, translate: translate, ready: signal.NewWake()}
}

// Run reads reports until the stream ends.
func (r *Reader) Run() {
	for {
		var m message.Probe
		if err := r.stream.Receive(&m); err != nil {
			r.stop(r.translate(err))
			return
		}
		r.mu.Lock()
		r.latest = &api.Bitrate{BitsPerSecond: m.Bitrate, RTT: message.Milliseconds(m.RTT)}
		r.mu.Unlock()
		r.ready.Wake()
	}
}

// stop ends the stream. Receive returns err after the last report. Only the first call
// sets it.
func (r *Reader) stop(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.stream.Refuse(api.StreamCancelled)
	r.ready.Wake()
}

// Receive implements [api.BitrateReader].
func (r *Reader) Receive(ctx context.Context) (api.Bitrate, error) {
	for {
		r.mu.Lock()
		latest, err := r.latest, r.err
		r.latest = nil
		r.mu.Unlock()
		switch {
		case latest != nil && !errors.Is(err, api.ErrClosed):
			return *latest, nil
		case err != nil:
			return api.Bitrate{}, err
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return api.Bitrate{}, context.Cause(ctx)
		}
	}
}

// Close implements [api.BitrateReader].
func (r *Reader) Close() error {
	r.stop(api.ErrClosed)
	return nil
}
