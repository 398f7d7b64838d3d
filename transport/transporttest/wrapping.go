package transporttest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A tally counts what the hooks of [transport.Observe] are told.
type tally struct {
	starts, dials, failures, conns atomic.Int64
	sent, received                 atomic.Int64
	closed                         atomic.Int64
	cause                          atomic.Pointer[transport.ConnError]
}

// hooks returns hooks that count. They may be called by several goroutines at once.
func (n *tally) hooks() transport.Hooks {
	return transport.Hooks{
		DialStart: func(string) { n.starts.Add(1) },
		DialDone: func(_ string, _ time.Duration, err error) {
			n.dials.Add(1)
			if err != nil {
				n.failures.Add(1)
			}
		},
		Conn: func(transport.State) *transport.ConnHooks {
			n.conns.Add(1)
			return &transport.ConnHooks{
				Sent:     func(size int) { n.sent.Add(int64(size)) },
				Received: func(size int) { n.received.Add(int64(size)) },
				Closed: func(err error) {
					if e, ok := errors.AsType[*transport.ConnError](err); ok {
						n.cause.Store(e)
					}
					n.closed.Add(1)
				},
			}
		},
	}
}

// observe returns c as [transport.Observe] wraps a connection that was dialled.
func observe(t *testing.T, c transport.Conn) (transport.Conn, *tally) {
	t.Helper()
	n := new(tally)
	found := transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) { return c, nil })
	return must[transport.Conn](t)(transport.Observe(found, n.hooks()).Dial(t.Context(), "", nil)), n
}

// observed makes pairs of which both ends are observed.
func observed(pair func(*testing.T) (client, server transport.Conn)) func(*testing.T) (client, server transport.Conn) {
	return func(t *testing.T) (transport.Conn, transport.Conn) {
		client, server := pair(t)
		c, _ := observe(t, client)
		s, _ := observe(t, server)
		return c, s
	}
}

// testWrappers checks that the ends of a pair keep their abilities in the
// wrappers that a user may put around them.
func (o Options) testWrappers(t *testing.T) {
	o.leaf(t, "an observed connection has all abilities", func(t *testing.T) {
		o.reportOf(t, observed(o.Pair))
	})
	o.leaf(t, "a wrapper has what no data passes through", func(t *testing.T) {
		o.reportOf(t, func(t *testing.T) (client, server transport.Conn) {
			client, server = o.Pair(t)
			return wrapped{client}, wrapped{server}
		}, Datagrams, TryWrites)
	})
	t.Run("observed", func(t *testing.T) {
		o.parallel(t)
		for _, cases := range [][]connCase{datagramCases, abilityCases, observeCases} {
			o.runAll(t, cases, observed(o.Pair))
		}
	})
}

// observeCases check what the hooks are told of a connection, over the transport
// itself: an implementation may return more or fewer bytes with an error than a fake
// would.
var observeCases = []connCase{
	{name: "the bytes of streams are told", run: testObservedBytes},
	{name: "a close is told once, before it returns", run: testObservedClose},
}

// testObservedBytes checks that the hooks are told exactly what the application has
// written and read, in both directions of a stream.
func testObservedBytes(t *testing.T, a, b transport.Conn) {
	from, sent := observe(t, a)
	to, received := observe(t, b)
	const size = 100_000
	// The byte that uni sends counts too, hence the less and not the equal below.
	w, r := uni(t, from, to)
	done := async(t, func() (int, error) { return 0, send(w, pattern(size, 1)) })
	do(t, wantBytes(r, pattern(size, 1)))
	must[int](t)(done())
	if s, r := sent.sent.Load(), received.received.Load(); s < size || r != s {
		t.Errorf("told that %d bytes were sent and %d received, of %d", s, r, size)
	}
	x, y := bidi(t, from, to)
	before := received.sent.Load()
	write(t, y, "answer")
	read(t, x, "answer")
	if s := received.sent.Load() - before; s != 6 || sent.received.Load() < 6 {
		t.Errorf("told that %d bytes were sent and %d received, of 6", s, sent.received.Load())
	}
}

// testObservedClose checks that a program that counts connections by the hooks is
// told of each end once, with its reason.
func testObservedClose(t *testing.T, a, b transport.Conn) {
	here, closed := observe(t, a)
	do(t, here.CloseWithError(2, "enough"))
	if n := closed.closed.Load(); n != 1 {
		t.Fatalf("Closed was called %d times", n)
	}
	wantConnError(t, closed.cause.Load(), 2, "enough", false)
	wantCause(t, b.Context())
	do(t, here.CloseWithError(3, "again"))
	if n := closed.closed.Load(); n != 1 {
		t.Errorf("Closed was called %d times", n)
	}
}

// wrapped is the smallest wrapper of a connection.
// Its streams are wrapped too, as those of a wrapper that counts or limits would be.
type wrapped struct{ transport.Conn }

func (c wrapped) Unwrap() transport.Conn { return c.Conn }

func (c wrapped) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.Conn.OpenStream(ctx)
	return wrappedStream{s}, err
}

func (c wrapped) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := c.Conn.OpenUniStream(ctx)
	return wrappedSend{s}, err
}

type wrappedStream struct{ transport.Stream }

func (s wrappedStream) Unwrap() transport.Stream { return s.Stream }

type wrappedSend struct{ transport.SendStream }

func (s wrappedSend) Unwrap() transport.SendStream { return s.SendStream }

// testObservedDialer checks that a dialer keeps its abilities, and that dials
// are told.
func (o Options) testObservedDialer(t *testing.T) {
	e := o.Listen(t, []string{protocolA})
	t.Cleanup(func() { e.Listener.Close() })
	n := new(tally)
	e.Dialer = transport.Observe(e.Dialer, n.hooks())
	for _, a := range o.Dialer {
		report(t, "Dialer", o.Dialer, e.Dialer, a)
	}
	client, server := connect(t, e, protocolA)
	testBidi(t, client, server)
	if n.starts.Load() != 1 || n.dials.Load() != 1 || n.failures.Load() != 0 || n.conns.Load() != 1 || n.sent.Load() == 0 {
		t.Errorf("told of %d and %d dials, %d failed, %d connections and %d bytes", n.starts.Load(), n.dials.Load(), n.failures.Load(), n.conns.Load(), n.sent.Load())
	}
	if _, err := e.Dialer.Dial(ended(t), e.URL, []string{protocolA}); err == nil {
		t.Error("a dial without a context succeeds")
	}
	if n.dials.Load() != 2 || n.failures.Load() != 1 || n.conns.Load() != 1 {
		t.Errorf("told of %d dials, %d failed, %d connections", n.dials.Load(), n.failures.Load(), n.conns.Load())
	}
}
