package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// queuedDatagrams is how many datagrams of a session may wait to be sent, and how many
// of a subscription may wait for ReceiveDatagram. More replace the oldest.
const queuedDatagrams = 128

// datagramRing is a bounded queue of encoded datagrams that reuses their memory.
type datagramRing struct {
	slots   [][]byte
	first   int    // index of the oldest
	length  int    // number of datagrams
	dropped uint64 // number of those that newer ones have replaced
}

// push makes room for one more datagram, replacing the oldest if the ring is full, and
// returns an empty slice to append it to. The caller passes the result to set.
func (r *datagramRing) push() []byte {
	if r.slots == nil {
		r.slots = make([][]byte, queuedDatagrams)
	}
	if r.length == len(r.slots) {
		r.first = (r.first + 1) % len(r.slots)
		r.length--
		r.dropped++
	}
	r.length++
	return r.slots[r.last()][:0]
}

func (r *datagramRing) last() int { return (r.first + r.length - 1) % len(r.slots) }

// set stores b as the newest datagram.
func (r *datagramRing) set(b []byte) { r.slots[r.last()] = b }

// pop removes and returns the oldest datagram, and keeps the memory of spare in exchange.
func (r *datagramRing) pop(spare []byte) (b []byte, ok bool) {
	if r.length == 0 {
		return spare, false
	}
	b, r.slots[r.first] = r.slots[r.first], spare
	r.first = (r.first + 1) % len(r.slots)
	r.length--
	return b, true
}

// outgoing is the queue of datagrams to be sent. A goroutine sends them, since the
// connection may block; it runs only while there are any.
type outgoing struct {
	mu      sync.Mutex
	ring    datagramRing
	sending bool   // the goroutine runs
	lost    uint64 // number of datagrams that the transport has refused
}

// sendDatagram queues a datagram; it never blocks.
func (s *Session) sendDatagram(m *message.Datagram) {
	s.mu.Lock()
	if s.outgoing == nil {
		s.outgoing = new(outgoing)
	}
	o := s.outgoing
	s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring.set(m.Append(s.version, o.ring.push()))
	if !o.sending {
		o.sending = s.life.spawn(func() { s.sendDatagrams(o) })
	}
}

func (s *Session) sendDatagrams(o *outgoing) {
	conn := s.conn.(transport.DatagramConn)
	var buf []byte
	for {
		o.mu.Lock()
		var ok bool
		if buf, ok = o.ring.pop(buf); !ok || s.life.isOver() {
			o.sending = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		if conn.SendDatagram(buf) != nil {
			o.mu.Lock()
			o.lost++
			o.mu.Unlock()
		}
	}
}

// datagrams returns an error if the version or the transport has no datagrams
// (moq-lite-05 and 06 have).
func (s *Session) datagrams() error {
	if _, ok := s.conn.(transport.DatagramConn); !ok || !s.version.Datagrams {
		return fmt.Errorf("datagrams on %s over %s: %w", s.version.Name, s.conn.State().Transport, api.ErrNotSupported)
	}
	return nil
}

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
	if err := p.session.datagrams(); err != nil {
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
	if next {
		d.Sequence = p.broadcast.NextGroup(p.request.Name)
		m.Sequence = uint64(d.Sequence)
	} else {
		p.broadcast.TakeGroup(p.request.Name, d.Sequence)
	}
	if p.passes(d.Sequence) {
		p.session.sendDatagram(&m)
	}
	return nil
}

// passes reports whether the subscriber asks for a number and has not been sent it, and
// records the number. It is not added to sent: at the track's end SUBSCRIBE_DROP covers
// it like a number that was skipped, because the datagram may be lost and nothing else
// tells the subscriber not to wait for it.
func (p *publication) passes(seq api.GroupSequence) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = max(p.next, seq+1)
	c := p.rangeFrom(seq)
	if !within(&c, seq) || p.sent.Has(seq) || !p.flown.Add(seq) {
		return false
	}
	p.flown.Squeeze()
	p.startAt(seq)
	return true
}

// hearDatagrams starts to receive datagrams, at the first subscription.
func (s *Session) hearDatagrams() {
	s.hearing.Do(func() {
		if s.datagrams() == nil {
			s.life.spawn(s.receiveDatagrams)
		}
	})
}

// receiveDatagrams receives the peer's datagrams and queues each with its subscription.
func (s *Session) receiveDatagrams() {
	conn := s.conn.(transport.DatagramConn)
	for {
		b, err := conn.ReceiveDatagram(s.Context())
		if err != nil {
			return
		}
		// Parse moves the payload to the front of b, which nobody else uses.
		m := message.Datagram{Payload: b[:0]}
		if m.Parse(s.version, b) != nil {
			continue
		}
		s.mu.Lock()
		sub := s.subs[m.Subscribe]
		s.mu.Unlock()
		if sub != nil {
			sub.takeDatagram(&m)
		}
	}
}

// takeDatagram queues a datagram, unless its number has arrived before.
func (sub *subscription) takeDatagram(m *message.Datagram) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.closed || sub.over != nil || !sub.arrived.Add(api.GroupSequence(m.Sequence)) {
		return
	}
	sub.beginsBy(api.GroupSequence(m.Sequence))
	sub.boundHoles()
	if len(sub.datagrams) == queuedDatagrams {
		sub.datagrams = append(sub.datagrams[:0], sub.datagrams[1:]...)
		sub.session.replaced.Add(1)
	}
	sub.datagrams = append(sub.datagrams, *m)
	sub.datagramReady.Wake()
	sub.progress.Wake()
}

// ReceiveDatagram implements [api.TrackReader].
func (sub *subscription) ReceiveDatagram(ctx context.Context, d *api.Datagram) error {
	if err := sub.session.datagrams(); err != nil {
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

// datagramsDropped returns how many datagrams were lost here: replaced in the session's
// queues, or refused by the transport.
func (s *Session) datagramsDropped() (dropped uint64) {
	s.mu.Lock()
	o := s.outgoing
	s.mu.Unlock()
	if o != nil {
		o.mu.Lock()
		dropped = o.ring.dropped + o.lost
		o.mu.Unlock()
	}
	return dropped + s.replaced.Load()
}
