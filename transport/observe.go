package transport

import (
	"context"
	"sync"
	"time"
)

// Hooks tell what happens to the connections of a dialer: see [Observe]. Every
// field may be nil. A hook is called on the goroutine that dials, writes or
// reads, which waits for it: it should be quick, and must not use the connection
// that it is told of. Hooks may be called at the same time.
type Hooks struct {
	// DialStart is told when a dial begins, with its URL without userinfo,
	// query and fragment.
	DialStart func(url string)

	// DialDone is told when that dial has ended: its URL as before, how long it
	// took, and its error. A [Fallback] below makes several attempts, of which
	// only the whole is told.
	DialDone func(url string, took time.Duration, err error)

	// Conn is told of each connection, before Dial returns it, and returns the
	// hooks for it; nil for none.
	Conn func(s State) *ConnHooks
}

// ConnHooks tell what happens to one connection; see [Hooks].
type ConnHooks struct {
	// Sent is told how many bytes the transport has taken, of a stream or in a
	// datagram, after each write that was not empty. Several goroutines may
	// write.
	Sent func(n int)

	// Received is told how many bytes were read, of a stream or in a datagram,
	// after each read that was not empty. Several goroutines may read.
	Received func(n int)

	// Closed is told once when the connection has ended, whoever has ended it:
	// err is its [*ConnError]. It is called before this side's CloseWithError
	// returns, and otherwise in a goroutine of its own. Bytes that had arrived
	// before may still be read after it.
	Closed func(err error)
}

// Observe returns a dialer that dials with d and tells hooks of it. Its
// connections and their streams have the abilities of those of d: those that
// data passes through are forwarded, and [As] finds the others. So it does the
// [io.Closer] of d. Nothing is allocated for a write or a read.
//
//	var sent, open atomic.Int64
//	client.Transport = transport.Observe(client.Transport, transport.Hooks{
//		Conn: func(s transport.State) *transport.ConnHooks {
//			open.Add(1)
//			return &transport.ConnHooks{
//				Sent:   func(n int) { sent.Add(int64(n)) },
//				Closed: func(error) { open.Add(-1) },
//			}
//		},
//	})
func Observe(d Dialer, hooks Hooks) Dialer { return &observedDialer{d, hooks} }

type observedDialer struct {
	Dialer
	hooks Hooks
}

// Unwrap returns the dialer that is observed.
func (d *observedDialer) Unwrap() Dialer { return d.Dialer }

// Dial implements [Dialer].
func (d *observedDialer) Dial(ctx context.Context, url string, protocols []string) (Conn, error) {
	return d.observe(RedactURL(url), func() (Conn, error) { return d.Dialer.Dial(ctx, url, protocols) })
}

// DialTarget implements [TargetDialer]. Options reach a dialer below that is
// one too.
func (d *observedDialer) DialTarget(ctx context.Context, t *Target, protocols []string) (Conn, error) {
	return d.observe(t.String(), func() (Conn, error) { return DialTarget(ctx, d.Dialer, t, protocols) })
}

// observe carries out a dial.
func (d *observedDialer) observe(url string, dial func() (Conn, error)) (Conn, error) {
	if start := d.hooks.DialStart; start != nil {
		start(url)
	}
	began := time.Now()
	c, err := dial()
	if done := d.hooks.DialDone; done != nil {
		done(url, time.Since(began), err)
	}
	if err != nil {
		return nil, err
	}
	if d.hooks.Conn == nil {
		return c, nil
	}
	return observeConn(c, d.hooks.Conn(c.State())), nil
}

// observeConn returns c with hooks.
func observeConn(c Conn, hooks *ConnHooks) Conn {
	if hooks == nil {
		return c
	}
	o := &observedConn{Conn: c, hooks: hooks}
	if hooks.Closed != nil {
		context.AfterFunc(c.Context(), o.tellClosed)
	}
	if d, ok := As[DatagramConn](c); ok {
		return &observedDatagrams{o, d}
	}
	return o
}

// An observedConn is a connection with hooks.
type observedConn struct {
	Conn
	hooks  *ConnHooks
	closed sync.Once
}

// Unwrap returns the connection that is observed.
func (c *observedConn) Unwrap() Conn { return c.Conn }

func (c *observedConn) OpenStream(ctx context.Context) (Stream, error) {
	st, err := c.Conn.OpenStream(ctx)
	return c.hooks.stream(st, err)
}

func (c *observedConn) AcceptStream(ctx context.Context) (Stream, error) {
	st, err := c.Conn.AcceptStream(ctx)
	return c.hooks.stream(st, err)
}

func (c *observedConn) OpenUniStream(ctx context.Context) (SendStream, error) {
	st, err := c.Conn.OpenUniStream(ctx)
	return c.hooks.sendStream(st, err)
}

func (c *observedConn) AcceptUniStream(ctx context.Context) (ReceiveStream, error) {
	st, err := c.Conn.AcceptUniStream(ctx)
	return c.hooks.receiveStream(st, err)
}

func (c *observedConn) CloseWithError(code uint64, reason string) error {
	err := c.Conn.CloseWithError(code, reason)
	if c.hooks.Closed != nil {
		<-c.Context().Done()
		c.tellClosed()
	}
	return err
}

// tellClosed calls the hook, once. It returns when the hook has.
func (c *observedConn) tellClosed() {
	c.closed.Do(func() { c.hooks.Closed(context.Cause(c.Context())) })
}

// observedDatagrams is an observedConn that has datagrams.
type observedDatagrams struct {
	*observedConn
	datagrams DatagramConn
}

// SendDatagram implements [DatagramConn].
func (c *observedDatagrams) SendDatagram(p []byte) error {
	err := c.datagrams.SendDatagram(p)
	if err == nil {
		c.hooks.sent(len(p))
	}
	return err
}

// ReceiveDatagram implements [DatagramConn].
func (c *observedDatagrams) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.datagrams.ReceiveDatagram(ctx)
	c.hooks.received(len(p))
	return p, err
}

func (h *ConnHooks) sent(n int) {
	if n > 0 && h.Sent != nil {
		h.Sent(n)
	}
}

func (h *ConnHooks) received(n int) {
	if n > 0 && h.Received != nil {
		h.Received(n)
	}
}
