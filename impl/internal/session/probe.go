package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

const (
	// probeInterval is how often the estimate is checked while a peer wants reports.
	probeInterval = 100 * time.Millisecond

	// probeMaxAge is after how long a report is repeated even if the estimate has
	// hardly changed.
	probeMaxAge = 10 * time.Second
)

// Probe implements [api.Session].
func (s *Session) Probe(ctx context.Context) (api.BitrateReader, error) {
	if err := s.refused(); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	if s.version.Setup { // before moq-lite-05 it is not known whether the peer sends reports
		peer, err := s.peer.awaitSetup(ctx)
		if err != nil {
			return nil, fmt.Errorf("probe: %w", err)
		}
		if peer.Probe == api.ProbeNone {
			return nil, fmt.Errorf("probe: the peer reports no bitrate: %w", api.ErrNotSupported)
		}
	}
	st, err := s.open(ctx, message.StreamProbe, nil)
	if err != nil {
		return nil, cause(ctx, "probe", err)
	}
	p := &probing{stream: st, ready: signal.NewWake()}
	if !s.life.spawn(func() { p.run(s) }) {
		return nil, fmt.Errorf("probe: %w", s.life.err())
	}
	return p, nil
}

// probing reads the peer's PROBE messages. It implements [api.BitrateReader].
type probing struct {
	stream *control.Stream
	ready  signal.Wake // wakes Receive

	mu     sync.Mutex
	latest *api.Bitrate // the newest report; nil once Receive has returned it
	err    error        // what Receive returns after the last report
}

// run reads reports until the stream ends.
func (p *probing) run(s *Session) {
	for {
		var m message.Probe
		if err := p.stream.Receive(&m); err != nil {
			if s.life.isOver() {
				err = s.life.err()
			}
			p.end(streamError(receive.Malformed(err)))
			return
		}
		p.mu.Lock()
		p.latest = &api.Bitrate{BitsPerSecond: m.Bitrate, RTT: milliseconds(m.RTT)}
		p.mu.Unlock()
		p.ready.Wake()
	}
}

// end ends the stream. Receive returns err after the last report. Only the first call
// sets it.
func (p *probing) end(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	p.stream.Refuse(api.StreamCancelled)
	p.ready.Wake()
}

// Receive implements [api.BitrateReader].
func (p *probing) Receive(ctx context.Context) (api.Bitrate, error) {
	for {
		p.mu.Lock()
		latest, err := p.latest, p.err
		p.latest = nil
		p.mu.Unlock()
		switch {
		case latest != nil && !errors.Is(err, api.ErrClosed):
			return *latest, nil
		case err != nil:
			return api.Bitrate{}, err
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			return api.Bitrate{}, context.Cause(ctx)
		}
	}
}

// Close implements [api.BitrateReader].
func (p *probing) Close() error {
	p.end(api.ErrClosed)
	return nil
}

// estimate returns the bitrate that the path to the peer carries, by the congestion
// window, and its round-trip time. Zeros mean unknown.
func estimate(t transport.Stats) api.Bitrate {
	if t.RTT <= 0 {
		return api.Bitrate{}
	}
	return api.Bitrate{BitsPerSecond: uint64(float64(t.CongestionWindow*8) / t.RTT.Seconds()), RTT: t.RTT}
}

// serveProbe sends PROBE reports (moq-lite-06, PROBE) until the peer ends the stream: at
// once, when the estimate has changed by a quarter, and every probeMaxAge.
func (r *request) serveProbe() {
	s := r.session
	conn, ok := s.conn.(transport.StatsConn)
	if !ok {
		r.Refuse(api.StreamCancelled)
		return
	}
	_ = r.SetReadDeadline(time.Time{})
	left := make(chan struct{})
	if !s.life.spawn(func() { r.AwaitEnd(); close(left) }) {
		return
	}
	defer r.Refuse(api.StreamCancelled)
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	var last api.Bitrate
	var told time.Time
	for {
		if now := estimate(conn.Stats()); told.IsZero() || time.Since(told) >= probeMaxAge || changed(last, now) {
			if r.Send(&message.Probe{Bitrate: now.BitsPerSecond, RTT: roundTrip(now.RTT)}) != nil {
				return
			}
			last, told = now, time.Now()
		}
		select {
		case <-tick.C:
		case <-left:
			return
		case <-s.Context().Done():
			return
		}
	}
}

// roundTrip is a round-trip time in the milliseconds of PROBE, where 0 means unknown.
func roundTrip(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Milliseconds(), 1))
}

// changed reports whether the bitrate or the round-trip time has changed by a quarter.
func changed(last, now api.Bitrate) bool {
	return apart(float64(last.BitsPerSecond), float64(now.BitsPerSecond)) || apart(last.RTT.Seconds(), now.RTT.Seconds())
}

func apart(a, b float64) bool { return max(a, b)-min(a, b) >= 0.25*max(a, b) && a != b }
