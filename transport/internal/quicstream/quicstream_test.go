package quicstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// lost is the error with which the connection of all streams here has ended.
var lost = &transport.ConnError{Code: 9, Remote: true}

// An owner adds 1,000 to the codes that it sends.
type owner struct{ closing bool }

func (owner) StreamCode(code uint64) quic.StreamErrorCode { return quic.StreamErrorCode(code + 1000) }

func (o owner) Closing() bool { return o.closing }

func (owner) StreamError(err error) error {
	if s, ok := errors.AsType[*quic.StreamError](err); ok {
		return &transport.StreamError{Code: uint64(s.ErrorCode) - 1000, Remote: s.Remote}
	}
	return lost
}

// A library is a fake of both halves of a quic-go stream that records calls.
// Writes block while it is stuck.
type library struct {
	mu       sync.Mutex
	changed  *sync.Cond
	sent     string
	log      []string // of what is no Write
	quick    int      // bytes that TryWriteAll has credit for
	stuck    bool
	deadline time.Time
	failure  error // of writes
	ctx      context.Context
	cancel   context.CancelCauseFunc

	reads []read // what Read gives, one after the other
}

type read struct {
	data string
	err  error
}

func newLibrary() *library {
	l := &library{quick: 1 << 20}
	l.changed = sync.NewCond(&l.mu)
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

func (l *library) did(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, what)
}

func (l *library) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.stuck && l.failure == nil {
		if !l.deadline.IsZero() && !time.Now().Before(l.deadline) {
			l.sent += string(p[:1])
			return 1, os.ErrDeadlineExceeded
		}
		l.changed.Wait()
	}
	if l.failure != nil {
		return 0, l.failure
	}
	l.sent += string(p)
	return len(p), nil
}

func (l *library) TryWriteAll(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failure != nil:
		return l.failure
	case l.stuck || len(p) > l.quick:
		return quic.ErrWouldBlock
	}
	l.quick -= len(p)
	l.sent += string(p)
	return nil
}

func (l *library) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	l.changed.Broadcast()
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), l.changed.Broadcast)
	}
	return nil
}

func (l *library) Close() error {
	l.did("close")
	l.cancel(nil)
	return nil
}

func (l *library) CancelWrite(code quic.StreamErrorCode) {
	l.did("cancel write")
	l.fail(&quic.StreamError{ErrorCode: code})
}

// fail ends the sending half, as a refusal or CancelWrite would.
func (l *library) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
	l.changed.Broadcast()
	l.cancel(err)
}

func (l *library) Context() context.Context        { return l.ctx }
func (l *library) SetPriority(int8, bool)          { l.did("priority") }
func (l *library) SetReliableBoundary()            { l.did("boundary") }
func (l *library) SetReadDeadline(time.Time) error { return nil }
func (l *library) CancelRead(quic.StreamErrorCode) { l.did("cancel read") }

func (l *library) Read(p []byte) (int, error) {
	if len(l.reads) == 0 {
		return 0, errors.New("no more reads")
	}
	r := l.reads[0]
	l.reads = l.reads[1:]
	return copy(p, r.data), r.err
}

var _ quicstream.ReadWriter = (*library)(nil)

// TestPrefix checks that the prefix precedes the first thing that is sent,
// once.
func TestPrefix(t *testing.T) {
	for name, c := range map[string]struct {
		quick int
		do    func(s *quicstream.Send)
		sent  string
	}{
		"a Write":            {100, func(s *quicstream.Send) { _, _ = s.Write([]byte("ab")); _, _ = s.Write([]byte("cd")) }, "<>abcd"},
		"a TryWrite":         {100, func(s *quicstream.Send) { _, _ = s.TryWrite([]byte("ab")); _, _ = s.TryWrite([]byte("cd")) }, "<>abcd"},
		"an empty Write":     {100, func(s *quicstream.Send) { _, _ = s.Write(nil); _, _ = s.Write([]byte("ab")) }, "<>ab"},
		"the end":            {100, func(s *quicstream.Send) { _ = s.Close() }, "<>"},
		"a reset":            {100, func(s *quicstream.Send) { s.CancelWrite(1) }, "<>"},
		"a Write, no credit": {0, func(s *quicstream.Send) { _, _ = s.Write([]byte("ab")); _ = s.Close() }, "<>ab"},
	} {
		l := newLibrary()
		l.quick = c.quick
		c.do(quicstream.NewSend(owner{}, l, "<>"))
		if l.sent != c.sent {
			t.Errorf("%s: sent %q, want %q", name, l.sent, c.sent)
		}
	}
}

// TestPrefixIsPromised checks that, with enough credit, the prefix is
// delivered although the stream is reset.
func TestPrefixIsPromised(t *testing.T) {
	for quick, promised := range map[int]bool{100: true, 0: false} {
		l := newLibrary()
		l.quick = quick
		s := quicstream.NewSend(owner{}, l, "<>")
		_, _ = s.Write([]byte("ab"))
		if got := len(l.log) == 1 && l.log[0] == "boundary"; got != promised {
			t.Errorf("with credit for %d: did %q", quick, l.log)
		}
	}
}

// TestClosing checks that streams send nothing once the connection is being
// closed on this side.
func TestClosing(t *testing.T) {
	for name, do := range map[string]func(s *quicstream.Stream){
		"the end":   func(s *quicstream.Stream) { _ = s.Close() },
		"a reset":   func(s *quicstream.Stream) { s.CancelWrite(1) },
		"a refusal": func(s *quicstream.Stream) { s.CancelRead(1) },
	} {
		l := newLibrary()
		do(quicstream.NewStream(owner{closing: true}, l, "<>"))
		if l.sent != "" || l.log != nil {
			t.Errorf("%s: sent %q, did %q", name, l.sent, l.log)
		}
	}
}

// TestTryWrite checks that TryWrite takes what fits into a packet, and then
// again after a pause or after a Write that blocked.
func TestTryWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary()
		s := quicstream.NewSend(owner{}, l, "")
		try := func(size, want int) {
			t.Helper()
			if n, err := s.TryWrite(make([]byte, size)); n != want || err != nil {
				t.Errorf("%d bytes: took %d, %v; want %d", size, n, err, want)
			}
		}
		try(1101, 0)
		try(1000, 1000)
		try(100, 100)
		try(1, 0)
		time.Sleep(time.Millisecond)
		try(1, 1)
		try(1100, 0)
		if n, err := s.Write(make([]byte, 5000)); n != 5000 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		try(1100, 1100)
		l.quick = 10
		time.Sleep(time.Millisecond)
		try(11, 0)
		if len(l.sent) != 1000+100+1+5000+1100 {
			t.Errorf("sent %d bytes", len(l.sent))
		}
	})
}

// TestWriteErrors checks that Write and TryWrite return the errors of package
// transport.
func TestWriteErrors(t *testing.T) {
	refused := &quic.StreamError{ErrorCode: 1051, Remote: true}
	for name, c := range map[string]struct {
		do   func(s *quicstream.Send, l *library)
		want error
	}{
		"closed":             {func(s *quicstream.Send, _ *library) { _ = s.Close() }, net.ErrClosed},
		"cancelled":          {func(s *quicstream.Send, _ *library) { s.CancelWrite(7) }, &transport.StreamError{Code: 7}},
		"refused":            {func(_ *quicstream.Send, l *library) { l.fail(refused) }, &transport.StreamError{Code: 51, Remote: true}},
		"lost":               {func(_ *quicstream.Send, l *library) { l.fail(&quic.IdleTimeoutError{}) }, lost},
		"past its deadline":  {func(s *quicstream.Send, _ *library) { _ = s.SetWriteDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"the library closed": {func(_ *quicstream.Send, l *library) { l.fail(quic.ErrStreamClosed) }, net.ErrClosed},
	} {
		l := newLibrary()
		s := quicstream.NewSend(owner{}, l, "")
		c.do(s, l)
		_, err := s.Write([]byte("x"))
		_, tried := s.TryWrite([]byte("x"))
		for _, err := range []error{err, tried} {
			if e, ok := c.want.(*transport.StreamError); ok {
				if got, ok := errors.AsType[*transport.StreamError](err); !ok || *got != *e {
					t.Errorf("%s: %v, want %v", name, err, e)
				}
			} else if err != c.want {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
}

// TestCloseDuringAWrite checks that Close stops the Write, and that the stream
// is closed after it, once.
func TestCloseDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary()
		l.stuck = true
		s := quicstream.NewSend(owner{}, l, "")
		done := make(chan error, 1)
		go func() {
			n, err := s.Write(make([]byte, 5000))
			if n != 1 {
				err = errors.Join(err, errors.New("the count is wrong"))
			}
			done <- err
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != net.ErrClosed {
			t.Errorf("Write: %v", err)
		}
		_ = s.Close()
		if len(l.log) != 1 || l.log[0] != "close" || !l.deadline.IsZero() {
			t.Errorf("did %q, with the deadline %v", l.log, l.deadline)
		}
	})
}

// TestWriteDeadline checks that n is correct at the deadline, and that a later
// Write continues.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary()
		l.stuck = true
		s := quicstream.NewSend(owner{}, l, "")
		_ = s.SetWriteDeadline(time.Now().Add(time.Second))
		began := time.Now()
		if n, err := s.Write([]byte("abc")); n != 1 || err != os.ErrDeadlineExceeded || time.Since(began) != time.Second {
			t.Errorf("Write = %d, %v after %v", n, err, time.Since(began))
		}
		l.stuck = false
		_ = s.SetWriteDeadline(time.Time{})
		if n, err := s.Write([]byte("bc")); n != 2 || err != nil || l.sent != "abc" {
			t.Errorf("Write = %d, %v: sent %q", n, err, l.sent)
		}
	})
}

// TestContext checks the causes of the context, also when it is first asked
// for after the end.
func TestContext(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(s *quicstream.Send, l *library)
		want error
	}{
		"closed":    {func(s *quicstream.Send, _ *library) { _ = s.Close() }, context.Canceled},
		"cancelled": {func(s *quicstream.Send, _ *library) { s.CancelWrite(7) }, &transport.StreamError{Code: 7}},
		"refused": {
			func(_ *quicstream.Send, l *library) { l.fail(&quic.StreamError{ErrorCode: 1051, Remote: true}) },
			&transport.StreamError{Code: 51, Remote: true},
		},
		"lost": {func(_ *quicstream.Send, l *library) { l.fail(&quic.IdleTimeoutError{}) }, lost},
	} {
		for _, late := range []bool{false, true} {
			l := newLibrary()
			s := quicstream.NewSend(owner{}, l, "")
			if !late {
				_ = s.Context()
			}
			c.do(s, l)
			ctx := s.Context()
			<-ctx.Done()
			cause := context.Cause(ctx)
			if e, ok := c.want.(*transport.StreamError); ok {
				if got, ok := errors.AsType[*transport.StreamError](cause); !ok || *got != *e {
					t.Errorf("%s, asked late %t: %v, want %v", name, late, cause, e)
				}
			} else if cause != c.want {
				t.Errorf("%s, asked late %t: %v, want %v", name, late, cause, c.want)
			}
		}
	}
}

// TestRead checks the errors of Read. The peer's answer to CancelRead must not
// look like the end.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		reads []read
		do    func(s *quicstream.Receive)
		want  error
	}{
		"the end":              {reads: []read{{"ab", nil}, {"", io.EOF}}, want: io.EOF},
		"the end, with data":   {reads: []read{{"ab", io.EOF}}, want: io.EOF},
		"a reset":              {reads: []read{{"ab", nil}, {"", &quic.StreamError{ErrorCode: 1051, Remote: true}}}, want: &transport.StreamError{Code: 51, Remote: true}},
		"a deadline":           {reads: []read{{"ab", os.ErrDeadlineExceeded}}, want: os.ErrDeadlineExceeded},
		"a loss":               {reads: []read{{"ab", nil}, {"", &quic.IdleTimeoutError{}}}, want: lost},
		"cancelled":            {[]read{{"ab", io.EOF}}, func(s *quicstream.Receive) { s.CancelRead(7) }, &transport.StreamError{Code: 7}},
		"cancelled twice":      {[]read{{"ab", io.EOF}}, func(s *quicstream.Receive) { s.CancelRead(7); s.CancelRead(8) }, &transport.StreamError{Code: 7}},
		"cancelled at the end": {[]read{{"ab", io.EOF}, {"", io.EOF}}, nil, io.EOF},
	} {
		l := newLibrary()
		l.reads = c.reads
		s := quicstream.NewReceive(owner{}, l)
		if c.do != nil {
			c.do(s)
		}
		got := ""
		err := error(nil)
		for b := make([]byte, 10); err == nil; {
			var n int
			n, err = s.Read(b)
			got += string(b[:n])
		}
		if len(l.reads) > 0 { // at the end there is nothing to cancel
			s.CancelRead(7)
			_, err = s.Read(make([]byte, 1))
		}
		if got != "ab" {
			t.Errorf("%s: read %q", name, got)
		}
		if e, ok := c.want.(*transport.StreamError); ok {
			if reset, ok := errors.AsType[*transport.StreamError](err); !ok || *reset != *e {
				t.Errorf("%s: %v, want %v", name, err, e)
			}
		} else if err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestPlainStream checks that the stream has no optional abilities.
func TestPlainStream(t *testing.T) {
	l := newLibrary()
	l.reads = []read{{"theirs", io.EOF}}
	var s any = quicstream.NewPlainStream(owner{}, l, l)
	if _, ok := s.(transport.TryWriter); ok {
		t.Error("it can be written to without waiting")
	}
	if _, ok := s.(transport.Prioritizer); ok {
		t.Error("it can be ranked")
	}
	if n, err := s.(transport.Stream).Write([]byte("ours")); n != 4 || err != nil || l.sent != "ours" {
		t.Errorf("Write = %d, %v: sent %q", n, err, l.sent)
	}
	if b, err := io.ReadAll(s.(io.Reader)); string(b) != "theirs" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// TestLost checks which side an error says has ended the connection.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		err                  error
		remote, unauthorized bool
	}{
		{&quic.IdleTimeoutError{}, false, false},
		{&quic.StatelessResetError{}, true, false},
		{&quic.TransportError{ErrorCode: quic.FlowControlError}, false, false},
		{&quic.TransportError{ErrorCode: quic.FlowControlError, Remote: true}, true, false},
		{&quic.TransportError{ErrorCode: 0x100 + 116, Remote: true}, true, true},    // certificate required
		{&quic.TransportError{ErrorCode: 0x100 + 116, Remote: false}, false, false}, // said here
		{&quic.ApplicationError{Remote: true}, true, false},
	} {
		e := quicstream.Lost(c.err)
		if e.Remote != c.remote || errors.Is(e, transport.ErrUnauthorized) != c.unauthorized || !errors.Is(e, c.err) {
			t.Errorf("%v is %#v", c.err, e)
		}
	}
}

func TestCutReason(t *testing.T) {
	long := make([]byte, 1030)
	for i := range long {
		long[i] = "é"[i%2]
	}
	for in, want := range map[string]int{"short": 5, string(long[:1024]): 1024, string(long): 1024, "x" + string(long): 1023} {
		if got := quicstream.CutReason(in); len(got) != want || in[:want] != got {
			t.Errorf("%d bytes are cut to %d, want %d", len(in), len(got), want)
		}
	}
}
