package transport_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// able is a stream and connection that can do everything.
type able struct {
	transport.Stream
	transport.Conn
	urgency *int8
}

func (able) TryWrite(p []byte) (int, error)                  { return len(p), nil }
func (a able) SetPriority(urgency int8, _ bool)              { *a.urgency = urgency }
func (able) SendDatagram([]byte) error                       { return nil }
func (able) ReceiveDatagram(context.Context) ([]byte, error) { return nil, nil }
func (able) Stats() transport.Stats                          { return transport.Stats{BytesSent: 7} }
func (able) FinalSize() (uint64, bool)                       { return 9, true }
func (able) WriteBuffers(*net.Buffers) (int64, error)        { return 0, nil }
func (able) ReadFrom(io.Reader) (int64, error)               { return 0, nil }
func (able) Close() error                                    { return nil }
func (able) Context() context.Context                        { return context.Background() }
func (able) CloseWithError(uint64, string) error             { return nil }
func (able) Dial(context.Context, string, []string) (transport.Conn, error) {
	return nil, nil
}

func (able) DialTarget(context.Context, *transport.Target, []string) (transport.Conn, error) {
	return nil, nil
}

// The wrappers that a user may write, one a kind.
type (
	aroundConn    struct{ transport.Conn }
	aroundStream  struct{ transport.Stream }
	aroundSend    struct{ transport.SendStream }
	aroundReceive struct{ transport.ReceiveStream }
	aroundDialer  struct{ transport.Dialer }
)

func (w aroundConn) Unwrap() transport.Conn             { return w.Conn }
func (w aroundStream) Unwrap() transport.Stream         { return w.Stream }
func (w aroundSend) Unwrap() transport.SendStream       { return w.SendStream }
func (w aroundReceive) Unwrap() transport.ReceiveStream { return w.ReceiveStream }
func (w aroundDialer) Unwrap() transport.Dialer         { return w.Dialer }

func finds[T any](v any) bool {
	_, ok := transport.As[T](v)
	return ok
}

// TestAs looks for every kind of ability in a value and below wrappers of it.
func TestAs(t *testing.T) {
	a := able{urgency: new(int8)}
	wrappers := map[string]any{
		"a connection":           aroundConn{a},
		"a stream":               aroundStream{a},
		"a sending half":         aroundSend{a},
		"a receiving half":       aroundReceive{a},
		"a dialer":               aroundDialer{a},
		"a half of a wrapper":    aroundSend{aroundStream{a}},
		"a connection, observed": aroundConn{aroundConn{a}},
	}
	for _, c := range []struct {
		name  string
		find  func(v any) bool
		below bool
	}{
		{"priorities", finds[transport.Prioritizer], true},
		{"statistics", finds[transport.StatsConn], true},
		{"final sizes", finds[interface{ FinalSize() (uint64, bool) }], true},
		{"non-blocking writes", finds[transport.TryWriter], false},
		{"datagrams", finds[transport.DatagramConn], false},
		{"one half of datagrams", finds[interface{ SendDatagram([]byte) error }], false},
		{"gathered writes", finds[interface {
			WriteBuffers(*net.Buffers) (int64, error)
		}], false},
		{"copies", finds[io.ReaderFrom], false},
		{"dials", finds[transport.TargetDialer], false},
		{"priorities and writes", finds[interface {
			transport.Prioritizer
			transport.TryWriter
		}], false},
		{"itself", finds[able], false},
	} {
		if !c.find(a) {
			t.Errorf("%s: not found in the value itself", c.name)
		}
		for name, w := range wrappers {
			if got := c.find(w); got != c.below {
				t.Errorf("%s below a wrapper of %s: found %t, want %t", c.name, name, got, c.below)
			}
		}
	}
}

// TestAsFindsTheOutermost checks that a wrapper's own ability comes first, and
// that where there is none, none is found.
func TestAsFindsTheOutermost(t *testing.T) {
	inner, outer := able{urgency: new(int8)}, able{urgency: new(int8)}
	p, ok := transport.As[transport.Prioritizer](aroundSend{struct {
		aroundSend
		transport.Prioritizer
	}{aroundSend{inner}, outer}})
	if !ok {
		t.Fatal("no priorities")
	}
	p.SetPriority(5, true)
	if *outer.urgency != 5 || *inner.urgency != 0 {
		t.Errorf("the urgency within is %d, that around it %d", *inner.urgency, *outer.urgency)
	}
	for _, v := range []any{nil, 7, aroundSend{}, aroundConn{aroundConn{}}} {
		if finds[transport.Prioritizer](v) || finds[transport.StatsConn](v) {
			t.Errorf("%T has an ability", v)
		}
	}
}

// TestAsAllocatesNothing checks that a look-up allocates nothing, whether it
// finds the ability or not: it is made for each stream, and for each write.
func TestAsAllocatesNothing(t *testing.T) {
	a := &able{urgency: new(int8)}
	for name, v := range map[string]any{
		"a stream":              a,
		"a wrapper":             &aroundSend{a},
		"a wrapper of nothing":  &aroundSend{},
		"a wrapper of wrappers": &aroundSend{&aroundSend{a}},
	} {
		if n := testing.AllocsPerRun(100, func() {
			finds[transport.Prioritizer](v)
			finds[transport.TryWriter](v)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
