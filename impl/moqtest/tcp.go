package moqtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/impl/internal/signal"
)

const (
	// segment is the size of a TCP segment, in bytes.
	segment = 1460

	// unreadWindow is how many bytes may be on the way to a reader and unread.
	unreadWindow = 256 << 10

	// blackoutPoll is how often a reader looks whether the link loses all
	// packets no longer.
	blackoutPoll = 200 * time.Millisecond
)

// Listen returns a listener for simulated TCP connections over the link. A
// lost segment arrives one round trip later, as does everything behind it. The
// writer's congestion window grows until the queue overflows, and shrinks at
// each loss. Each connection has the link's whole rate. The caller closes the
// listener.
func (l *Link) Listen() net.Listener {
	l.initLink()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes++
	s := &tcpListener{
		link:  l,
		addr:  &net.TCPAddr{IP: net.IPv4(10, 0, byte(l.nodes>>8), byte(l.nodes)), Port: 443},
		conns: make(chan *tcpConn),
		done:  make(chan struct{}),
	}
	if l.listeners == nil {
		l.listeners = make(map[string]*tcpListener)
	}
	l.listeners[s.addr.String()] = s
	return s
}

// DialContext connects to an address at which the link listens. It takes one
// round trip.
func (l *Link) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	l.initLink()
	l.mu.Lock()
	to := l.listeners[address]
	l.nodes++
	from := &net.TCPAddr{IP: net.IPv4(10, 0, byte(l.nodes>>8), byte(l.nodes)), Port: 40000}
	l.mu.Unlock()
	// The handshake of TCP.
	select {
	case <-time.After(2 * l.Delay):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if to == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("moqtest: connection refused by %s", address)}
	}
	there, back := newTCPFlow(l), newTCPFlow(l)
	theirs := &tcpConn{in: there, out: back, local: to.addr, remote: from}
	select {
	// Both ends exist from here on; what is written before the accept waits in
	// the flow.
	case to.conns <- theirs:
		return &tcpConn{in: back, out: there, local: from, remote: to.addr}, nil
	case <-to.done:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("moqtest: connection refused by %s", address)}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A tcpListener accepts the TCP connections to one address of a link. A dial
// waits until its connection is accepted: there is no backlog, and no
// handshake.
type tcpListener struct {
	link  *Link
	addr  net.Addr
	conns chan *tcpConn
	done  chan struct{}
	once  sync.Once
}

func (s *tcpListener) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *tcpListener) Addr() net.Addr { return s.addr }

func (s *tcpListener) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// A tcpConn is one end of a TCP connection over a link.
type tcpConn struct {
	in, out       *tcpFlow
	local, remote net.Addr
}

func (s *tcpConn) Read(b []byte) (int, error)  { return s.in.readBytes(b) }
func (s *tcpConn) Write(b []byte) (int, error) { return s.out.writeBytes(b) }
func (s *tcpConn) LocalAddr() net.Addr         { return s.local }
func (s *tcpConn) RemoteAddr() net.Addr        { return s.remote }

func (s *tcpConn) Close() error {
	s.in.update(func(f *tcpFlow) { f.unwanted = true })
	s.out.update(func(f *tcpFlow) { f.ended = true })
	return nil
}

func (s *tcpConn) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

func (s *tcpConn) SetReadDeadline(t time.Time) error {
	s.in.update(func(f *tcpFlow) { f.readBy = t })
	return nil
}

func (s *tcpConn) SetWriteDeadline(t time.Time) error {
	s.out.update(func(f *tcpFlow) { f.writeBy = t })
	return nil
}

// A tcpFlow is one direction of a simulated TCP connection.
//
// A lost segment arrives later, and holds up those after it, as a
// retransmission does in TCP: that is how a bad network looks to what runs over
// a stream. mu guards all of it, and is released while a goroutine waits.
type tcpFlow struct {
	link *Link

	mu              sync.Mutex
	changed         signal.Notice
	window          congestionWindow
	free            time.Time // when the queue will be empty
	arrives         time.Time // when the last segment arrives
	segments        []piece
	unread          int
	ended, unwanted bool // closed by the writer, closed by the reader
	readBy, writeBy time.Time
}

// A piece is what is left unread of a segment.
type piece struct {
	data []byte
	at   time.Time
}

// newTCPFlow returns one direction of a new connection, with the initial window
// of RFC 6928.
func newTCPFlow(l *Link) *tcpFlow {
	return &tcpFlow{link: l, window: congestionWindow{size: 10 * segment}}
}

// update changes the flow and wakes the goroutines that wait for a change.
func (f *tcpFlow) update(change func(*tcpFlow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.changed.Tell()
}

// awaitChange waits for a change, until one of two times; a zero time is no
// bound. It releases the lock meanwhile.
func (f *tcpFlow) awaitChange(until time.Time, deadline time.Time) {
	changed := f.changed.Changed()
	f.mu.Unlock()
	defer f.mu.Lock()
	if until.IsZero() || !deadline.IsZero() && deadline.Before(until) {
		until = deadline
	}
	var timer <-chan time.Time
	if !until.IsZero() {
		timer = time.After(time.Until(until))
	}
	select {
	case <-changed:
	case <-timer:
	}
}

// hasPassed tells whether a deadline is over; a zero time is none.
func hasPassed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// writeBytes blocks until all of b is on its way: until the reader has room for
// it, and the congestion window too. A close or a deadline ends it early.
func (f *tcpFlow) writeBytes(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(b) {
		size := min(segment, len(b)-n)
		open := f.window.opensAt(size)
		switch {
		case f.ended:
			return n, net.ErrClosed
		case f.unwanted:
			return n, io.ErrClosedPipe
		case hasPassed(f.writeBy):
			return n, os.ErrDeadlineExceeded
		case f.unread+size > unreadWindow:
			f.awaitChange(time.Time{}, f.writeBy)
		case time.Now().Before(open):
			f.awaitChange(open, f.writeBy)
		default:
			f.sendSegment(b[n : n+size])
			n += size
		}
	}
	return n, nil
}

// A congestionWindow is the congestion window of a flow's writer, similar to
// that of NewReno.
type congestionWindow struct {
	size    float64           // bytes
	steady  bool              // slow start is over
	sent    []acknowledgement // segments that are not acknowledged
	flight  int               // their bytes
	lowered time.Time         // losses before it do not shrink the window again
}

// An acknowledgement is when a segment will be acknowledged, and its size. Both
// are known when it is sent, since the link is simulated.
type acknowledgement struct {
	at   time.Time
	size int
}

// opensAt returns when size bytes may be sent; the zero time means now.
func (w *congestionWindow) opensAt(size int) time.Time {
	for len(w.sent) > 0 && !time.Now().Before(w.sent[0].at) {
		w.flight -= w.sent[0].size
		if w.steady {
			// One segment per round trip, as in congestion avoidance.
			w.size += segment * segment / w.size
		} else {
			w.size += float64(w.sent[0].size)
		}
		w.sent = w.sent[1:]
	}
	if len(w.sent) == 0 || w.flight+size <= int(w.size) {
		return time.Time{}
	}
	return w.sent[0].at
}

// addSegment counts a segment that will be acknowledged at a time. A loss
// shrinks the window, at most once per round trip.
func (w *congestionWindow) addSegment(size int, at time.Time, lost bool) {
	w.sent = append(w.sent, acknowledgement{at, size})
	w.flight += size
	if lost && !time.Now().Before(w.lowered) {
		w.size, w.steady = max(w.size*0.7, 2*segment), true
		w.lowered = at
	}
}

// transmitTime returns how long the link needs to send bytes.
func (l *Link) transmitTime(bytes int) time.Duration {
	if l.Rate == 0 {
		return 0
	}
	return time.Duration(float64(bytes*8) / float64(l.Rate) * float64(time.Second))
}

// sendSegment puts a segment on its way.
func (f *tcpFlow) sendSegment(data []byte) {
	now := time.Now()
	// An idle link is free at once.
	if f.free.Before(now) {
		f.free = now
	}
	lost := f.link.losesPacket() || f.link.queueOverflows(f.free.Sub(now), len(data))
	f.free = f.free.Add(f.link.transmitTime(len(data)))
	at := f.free.Add(f.link.Delay)
	if lost {
		// The loss is noticed a round trip later, and the segment sent again.
		at = at.Add(2 * f.link.Delay)
	}
	// TCP delivers in order.
	if at.Before(f.arrives) {
		at = f.arrives
	}
	f.arrives = at
	f.window.addSegment(len(data), at.Add(f.link.Delay), lost)
	f.segments = append(f.segments, piece{append([]byte(nil), data...), at})
	f.unread += len(data)
	f.changed.Tell()
}

// losesPacket decides whether the next packet is lost.
func (l *Link) losesPacket() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.Float64() < l.loss
}

// queueOverflows tells whether a packet does not fit into the queue, which will be
// empty after queued.
func (l *Link) queueOverflows(queued time.Duration, size int) bool {
	if l.Rate == 0 {
		return false
	}
	limit := l.Queue
	if limit == 0 {
		limit = defaultQueue
	}
	return int(queued.Seconds()*float64(l.Rate)/8)+size > limit
}

// isBlackedOut tells whether the link loses all packets.
func (l *Link) isBlackedOut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loss >= 1
}

// readBytes blocks until something has arrived. While the link loses
// everything, nothing arrives; it then looks again from time to time, since the
// loss may change at any moment.
func (f *tcpFlow) readBytes(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.unwanted:
			return 0, net.ErrClosed
		case hasPassed(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case f.link.isBlackedOut():
			f.awaitChange(time.Now().Add(blackoutPoll), f.readBy)
		case len(f.segments) == 0 && f.ended:
			return 0, io.EOF
		case len(f.segments) == 0:
			f.awaitChange(time.Time{}, f.readBy)
		case time.Now().Before(f.segments[0].at):
			f.awaitChange(f.segments[0].at, f.readBy)
		default:
			return f.readArrived(b), nil
		}
	}
}

// readArrived reads from the segments that have arrived.
func (f *tcpFlow) readArrived(b []byte) (n int) {
	for n < len(b) && len(f.segments) > 0 && !time.Now().Before(f.segments[0].at) {
		p := &f.segments[0]
		took := copy(b[n:], p.data)
		n += took
		if p.data = p.data[took:]; len(p.data) == 0 {
			f.segments = f.segments[1:]
		}
	}
	f.unread -= n
	f.changed.Tell()
	return n
}
