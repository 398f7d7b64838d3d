package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// A group of one frame may be sent as a datagram (moq-lite-06, DATAGRAM; since 05). It
// uses a number of the track like a group on a stream. It may be lost and nobody resends
// it, so nothing waits for one, and the newest replace the oldest where too many are
// queued.

// SendDatagram implements [api.TrackSink].
func (p *publication) SendDatagram(d api.Datagram) error {
	return p.sendDatagram(&d, d.Sequence == 0)
}

// SendDatagramAt implements [api.TrackSink].
func (p *publication) SendDatagramAt(seq api.GroupSequence, d api.Datagram) error {
	d.Sequence = seq
	return p.sendDatagram(&d, false)
}

// sendDatagram queues d with its own number, or if next is set, with the track's next
// one. A datagram outside the subscriber's range is not sent.
func (p *publication) sendDatagram(d *api.Datagram, next bool) error {
	if _, err := p.session.datagrams.of(p.session).supported(); err != nil {
		return err
	}
	m := message.Datagram{Subscribe: p.id, Sequence: uint64(d.Sequence), Timestamp: d.Timestamp, Payload: d.Payload}
	if err := m.Validate(p.session.version); errors.Is(err, message.ErrTooLarge) {
		return fmt.Errorf("%w: %w", api.ErrDatagramTooLarge, err)
	} else if err != nil {
		return err
	}
	if err := p.usable(p.ctx); err != nil {
		return fmt.Errorf("datagram: %w", err)
	}
	seq, wanted := p.claimDatagram(d.Sequence, next)
	if wanted {
		m.Sequence = uint64(seq)
		p.session.datagrams.of(p.session).enqueue(&m)
	}
	return nil
}

// claimDatagram takes a number, or if next is set, the track's next one. It reports whether
// the subscriber asks for it and has not been sent it, and records that it was sent. It is
// not added to sent: at the track's end SUBSCRIBE_DROP covers it like a number that was
// skipped, because the datagram may be lost and nothing else tells the subscriber not to
// wait for it.
func (p *publication) claimDatagram(seq api.GroupSequence, next bool) (_ api.GroupSequence, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next {
		seq = p.broadcast.NextGroup(p.request.Name)
	} else {
		p.broadcast.TakeGroup(p.request.Name, seq)
	}
	p.next = max(p.next, seq+1)
	c := p.rangeFrom(seq)
	if !within(&c, seq) || p.sent.Has(seq) || !p.asDatagrams.Add(seq) {
		return seq, false
	}
	p.asDatagrams.Squeeze()
	p.startAt(seq)
	return seq, true
}

// takeDatagram queues a datagram, unless its number has arrived before.
func (sub *subscription) takeDatagram(m *message.Datagram) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.closed || sub.over != nil || !sub.coverage.Arrive(api.GroupSequence(m.Sequence)) {
		return
	}
	if len(sub.datagrams) == queuedDatagrams {
		sub.datagrams = append(sub.datagrams[:0], sub.datagrams[1:]...)
		sub.session.datagrams.of(sub.session).countLost()
	}
	sub.datagrams = append(sub.datagrams, *m)
	sub.datagramReady.Wake()
	sub.progress.Wake()
}

// ReceiveDatagram implements [api.TrackReader].
func (sub *subscription) ReceiveDatagram(ctx context.Context, d *api.Datagram) error {
	if _, err := sub.session.datagrams.of(sub.session).supported(); err != nil {
		return err
	}
	for {
		ok, err := sub.nextDatagram(d)
		if ok || err != nil {
			return err
		}
		select {
		case <-sub.datagramReady:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// nextDatagram copies the oldest datagram to d. ok is false if there is none.
func (sub *subscription) nextDatagram(d *api.Datagram) (ok bool, err error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch {
	case sub.closed:
		return false, api.ErrClosed
	case len(sub.datagrams) == 0:
		return false, sub.over
	}
	m := &sub.datagrams[0]
	d.Sequence, d.Timestamp = api.GroupSequence(m.Sequence), m.Timestamp
	d.Payload = append(d.Payload[:0], m.Payload...)
	*m = message.Datagram{}
	sub.datagrams = sub.datagrams[1:]
	return true, nil
}
