package session

import (
	"fmt"
	"sync"
	"sync/atomic"

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
	if r.length == len(r.slots) {
		r.first = (r.first + 1) % len(r.slots)
		r.length--
		r.dropped++
	}
	r.length++
	return r.slots[r.last()][:0]
}

// last is the index of the newest.
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

// datagrams sends and receives the datagrams of a session (moq-lite-05 and 06). Those to be
// sent are queued. A goroutine sends them, since the connection may block; it runs only
// while there are any.
type datagrams struct {
	conn    transport.Conn
	able    transport.DatagramConn // conn too; nil if the transport has no datagrams
	version *message.Version
	life    *life

	receiving sync.Once // starts receive

	mu      sync.Mutex
	ring    *datagramRing // those to be sent; lazily made
	sending bool          // the goroutine runs
	lost    uint64        // number of datagrams that the transport has refused, and of those that were replaced unread
}

// lazyDatagrams are the datagrams of a session, made at the first use: most sessions neither
// send any nor subscribe to a track.
type lazyDatagrams struct{ made atomic.Pointer[datagrams] }

// of returns the datagrams of s.
func (l *lazyDatagrams) of(s *Session) *datagrams {
	if l.made.Load() == nil {
		d := &datagrams{conn: s.conn, version: s.version, life: &s.life}
		d.able, _ = transport.As[transport.DatagramConn](s.conn)
		l.made.CompareAndSwap(nil, d)
	}
	return l.made.Load()
}

// dropped is datagrams.dropped.
func (l *lazyDatagrams) dropped() uint64 {
	if d := l.made.Load(); d != nil {
		return d.dropped()
	}
	return 0
}

// supported returns the connection, or an error if the version or the transport has no
// datagrams.
func (d *datagrams) supported() (transport.DatagramConn, error) {
	if d.able == nil || !d.version.Datagrams {
		return nil, fmt.Errorf("datagrams on %s over %s: %w", d.version.Name, d.conn.State().Transport, api.ErrNotSupported)
	}
	return d.able, nil
}

// enqueue queues a datagram to be sent. It never blocks. Datagrams are supported.
func (d *datagrams) enqueue(m *message.Datagram) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring == nil {
		d.ring = &datagramRing{slots: make([][]byte, queuedDatagrams)}
	}
	d.ring.set(m.Append(d.version, d.ring.push()))
	if !d.sending {
		d.sending = d.life.spawn(d.sendQueued)
	}
}

// sendQueued sends until the ring is empty. A datagram is sent without the lock, so that
// the connection delays no caller; its memory goes back to the ring in exchange for the
// next one.
func (d *datagrams) sendQueued() {
	var buf []byte
	for {
		d.mu.Lock()
		var ok bool
		if buf, ok = d.ring.pop(buf); !ok || d.life.isOver() {
			d.sending = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		if d.able.SendDatagram(buf) != nil {
			d.countLost()
		}
	}
}

// receiveFor starts to receive the peer's datagrams, when the first track is subscribed to.
func (d *datagrams) receiveFor(tracks *reading) {
	d.receiving.Do(func() {
		if conn, err := d.supported(); err == nil {
			d.life.spawn(func() { d.receive(conn, tracks) })
		}
	})
}

// receive queues each datagram with its subscription, until the session ends.
func (d *datagrams) receive(conn transport.DatagramConn, tracks *reading) {
	ctx := d.life.context()
	for {
		b, err := conn.ReceiveDatagram(ctx)
		if err != nil {
			return
		}
		// Parse moves the payload to the front of b, which nobody else uses.
		m := message.Datagram{Payload: b[:0]}
		if m.Parse(d.version, b) != nil {
			continue
		}
		if sub := tracks.find(m.Subscribe); sub != nil {
			sub.takeDatagram(&m)
		}
	}
}

// countLost counts a datagram that was lost after it was queued or received.
func (d *datagrams) countLost() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost++
}

// dropped returns how many datagrams were lost here: replaced by newer ones in a queue, or
// refused by the transport.
func (d *datagrams) dropped() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring == nil {
		return d.lost
	}
	return d.ring.dropped + d.lost
}
