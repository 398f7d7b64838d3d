package moqtest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/transport"
)

// faults hold what is wrong with a server in memory. Its connections and
// streams are wrapped, so that they can be made to fail at a chosen moment.
type faults struct {
	mu      sync.Mutex
	thawed  chan struct{} // closed while the server is not frozen
	lose    int           // how many of the next datagrams to lose
	conns   map[*faultyConn]struct{}
	streams map[resetter]struct{}
}

// A resetter is a half of a stream that can be reset.
type resetter interface{ reset(code uint64) }

// newFaults returns the faults of a server that works.
func newFaults() *faults {
	open := make(chan struct{})
	close(open)
	return &faults{thawed: open, conns: make(map[*faultyConn]struct{}), streams: make(map[resetter]struct{})}
}

// Freeze stops a server in memory: it neither reads nor writes, but its
// connections stay open.
func (s *Server) Freeze() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	select {
	case <-s.faults.thawed:
		s.faults.thawed = make(chan struct{})
	default:
	}
}

// Thaw lets a frozen server continue.
func (s *Server) Thaw() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	select {
	case <-s.faults.thawed:
	default:
		close(s.faults.thawed)
	}
}

// ResetStreams resets all open streams of a server in memory, in both
// directions, from the server's side.
func (s *Server) ResetStreams(code uint64) {
	s.faults.mu.Lock()
	streams := s.faults.streams
	s.faults.streams = make(map[resetter]struct{})
	s.faults.mu.Unlock()
	// The reset of one half must not lead either side to end the other half in
	// order, or with a code of its own. So Close and CancelWrite have no effect any
	// more on the sending halves, and the receiving halves are reset before the peer
	// can end them.
	for half := range streams {
		if out, ok := half.(*faultySend); ok {
			out.broken.Store(true)
		}
	}
	for half := range streams {
		if in, ok := half.(*faultyReceive); ok {
			in.reset(code)
		}
	}
	for half := range streams {
		if out, ok := half.(*faultySend); ok {
			out.reset(code)
		}
	}
}

// CloseConnections closes all connections of a server in memory from the
// server's side.
func (s *Server) CloseConnections(code uint64, reason string) {
	for _, c := range s.faults.openConns() {
		_ = c.Conn.CloseWithError(code, reason)
	}
}

// Sever breaks all connections of a server in memory at both ends, as a broken
// network would: neither side sends a close.
func (s *Server) Sever() {
	for _, c := range s.faults.openConns() {
		if conn, ok := transport.As[interface{ Sever(error) }](c.Conn); ok {
			conn.Sever(nil)
		}
	}
}

// LoseDatagrams loses the next n datagrams that a server in memory sends.
func (s *Server) LoseDatagrams(n int) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.lose = n
}

// openConns returns the open connections. They are copied, since closing one
// removes it from the set.
func (f *faults) openConns() []*faultyConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	var conns []*faultyConn
	for c := range f.conns {
		conns = append(conns, c)
	}
	return conns
}

// awaitThaw blocks while the server is frozen, until one of ends is closed.
func (f *faults) awaitThaw(ends ...<-chan struct{}) {
	for {
		f.mu.Lock()
		thawed := f.thawed
		f.mu.Unlock()
		select {
		case <-thawed:
			return
		default:
		}
		var first, second <-chan struct{}
		if len(ends) > 0 {
			first = ends[0]
		}
		if len(ends) > 1 {
			second = ends[1]
		}
		select {
		case <-thawed:
		case <-first:
			return
		case <-second:
			return
		}
	}
}

// faultyListener wraps the connections that it accepts.
type faultyListener struct {
	transport.Listener
	faults *faults
}

func (l faultyListener) Accept(ctx context.Context) (transport.Conn, error) {
	conn, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	c := &faultyConn{Conn: conn, faults: l.faults}
	l.faults.mu.Lock()
	defer l.faults.mu.Unlock()
	l.faults.conns[c] = struct{}{}
	context.AfterFunc(conn.Context(), func() {
		l.faults.mu.Lock()
		defer l.faults.mu.Unlock()
		delete(l.faults.conns, c)
	})
	return c, nil
}

// A faultyConn is a connection of the server that its faults can reach. It has
// datagrams and statistics, as those of memconn have. Its streams have no
// priorities: a session writes one group at a time to them.
type faultyConn struct {
	transport.Conn
	faults *faults
}

var _ transport.DatagramConn = (*faultyConn)(nil)

// Unwrap returns the connection, for [transport.As].
func (c *faultyConn) Unwrap() transport.Conn { return c.Conn }

func (c *faultyConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	c.faults.awaitThaw(ctx.Done(), c.Context().Done())
	s, err := c.Conn.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.stream(s), nil
}

func (c *faultyConn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.Conn.AcceptStream(ctx)
	c.faults.awaitThaw(ctx.Done(), c.Context().Done())
	if err != nil {
		return nil, err
	}
	return c.stream(s), nil
}

func (c *faultyConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	c.faults.awaitThaw(ctx.Done(), c.Context().Done())
	s, err := c.Conn.OpenUniStream(ctx)
	if err != nil {
		return nil, err
	}
	return c.sending(s), nil
}

func (c *faultyConn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	s, err := c.Conn.AcceptUniStream(ctx)
	c.faults.awaitThaw(ctx.Done(), c.Context().Done())
	if err != nil {
		return nil, err
	}
	return c.receiving(s), nil
}

// SendDatagram implements [transport.DatagramConn].
func (c *faultyConn) SendDatagram(p []byte) error {
	c.faults.awaitThaw(c.Context().Done())
	c.faults.mu.Lock()
	lost := c.faults.lose > 0
	if lost {
		c.faults.lose--
	}
	c.faults.mu.Unlock()
	if lost {
		return nil
	}
	return c.Conn.(transport.DatagramConn).SendDatagram(p)
}

// ReceiveDatagram implements [transport.DatagramConn].
func (c *faultyConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.Conn.(transport.DatagramConn).ReceiveDatagram(ctx)
	c.faults.awaitThaw(ctx.Done(), c.Context().Done())
	return p, err
}

// stream wraps both halves of a stream.
func (c *faultyConn) stream(s transport.Stream) transport.Stream {
	return struct {
		*faultySend
		*faultyReceive
	}{c.sending(s), c.receiving(s)}
}

// sending wraps a sending half. It is registered until it ends, so that
// ResetStreams finds it.
func (c *faultyConn) sending(s transport.SendStream) *faultySend {
	out := &faultySend{SendStream: s, faults: c.faults}
	c.faults.addStream(out)
	context.AfterFunc(s.Context(), func() { c.faults.removeStream(out) })
	return out
}

// receiving wraps a receiving half, registered in the same way.
func (c *faultyConn) receiving(s transport.ReceiveStream) *faultyReceive {
	in := &faultyReceive{ReceiveStream: s, faults: c.faults, conn: c.Context(), cancelled: make(chan struct{})}
	c.faults.addStream(in)
	return in
}

// addStream registers a half that is open.
func (f *faults) addStream(r resetter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[r] = struct{}{}
}

// removeStream forgets a half that has ended.
func (f *faults) removeStream(r resetter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.streams, r)
}

// A faultySend is the sending half of a stream. Once it is broken, only the
// code of ResetStreams counts: what the session does after that is ignored.
type faultySend struct {
	transport.SendStream
	faults *faults
	broken atomic.Bool // ResetStreams is about to reset it
}

// reset resets the half from the server's side.
func (s *faultySend) reset(code uint64) { s.SendStream.CancelWrite(code) }

func (s *faultySend) CancelWrite(code uint64) {
	if !s.broken.Load() {
		s.SendStream.CancelWrite(code)
	}
}

func (s *faultySend) Close() error {
	if s.broken.Load() {
		return nil
	}
	return s.SendStream.Close()
}

func (s *faultySend) Write(p []byte) (int, error) {
	s.faults.awaitThaw(s.Context().Done())
	return s.SendStream.Write(p)
}

// A faultyReceive is the receiving half of a stream. Its Read waits while the
// server is frozen, also with data that has arrived, as a process that stands
// still would.
type faultyReceive struct {
	transport.ReceiveStream
	faults    *faults
	conn      context.Context
	once      sync.Once
	cancelled chan struct{}
}

// reset asks the peer to stop sending.
func (s *faultyReceive) reset(code uint64) { s.CancelRead(code) }

func (s *faultyReceive) Read(p []byte) (int, error) {
	n, err := s.ReceiveStream.Read(p)
	// The data is there, but a process that stands still does not see it.
	s.faults.awaitThaw(s.cancelled, s.conn.Done())
	if err != nil {
		s.faults.removeStream(s)
	}
	return n, err
}

func (s *faultyReceive) CancelRead(code uint64) {
	s.once.Do(func() { close(s.cancelled) })
	s.faults.removeStream(s)
	s.ReceiveStream.CancelRead(code)
}
