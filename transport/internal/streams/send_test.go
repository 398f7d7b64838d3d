package streams_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// The first end of a sending half stays what its context and its Writes tell,
// and the half ends once both sides know.
func TestSendHalfIsOverOnce(t *testing.T) {
	refused := &transport.StreamError{Code: 7, Remote: true}
	cancelled := &transport.StreamError{Code: 5}
	for _, test := range []struct {
		name  string
		do    func(s *sender)
		said  string
		cause error // of the context
		write error
		then  string // what the Write tells the transport
	}{
		{"close", func(s *sender) { s.Close() }, "[finish ended]", context.Canceled, net.ErrClosed, "[]"},
		{"close twice", func(s *sender) { s.Close(); s.Close() }, "[finish ended]", context.Canceled, net.ErrClosed, "[]"},
		{"cancel", func(s *sender) { s.CancelWrite(5) }, "[reset 5 ended]", cancelled, cancelled, "[]"},
		{"cancel twice", func(s *sender) { s.CancelWrite(5); s.CancelWrite(6) }, "[reset 5 ended]", cancelled, cancelled, "[]"},
		{"cancel, then close", func(s *sender) { s.CancelWrite(5); s.Close() }, "[reset 5 ended]", cancelled, cancelled, "[]"},
		{"close, then cancel", func(s *sender) { s.Close(); s.CancelWrite(5) }, "[finish ended reset 5]", context.Canceled, cancelled, "[]"},
		{"refused", func(s *sender) { s.refuse(7) }, "[reset 7]", refused, refused, "[ended]"},
		{"refused, then close", func(s *sender) { s.refuse(7); s.Close() }, "[reset 7 ended]", refused, refused, "[]"},
		{"refused, then cancel", func(s *sender) { s.refuse(7); s.CancelWrite(5) }, "[reset 7 ended]", refused, refused, "[]"},
		{"close, then refused", func(s *sender) { s.Close(); s.refuse(7) }, "[finish ended]", context.Canceled, net.ErrClosed, "[]"},
		{"the end waits", func(s *sender) { s.hold = true; s.Close() }, "[finish]", context.Canceled, net.ErrClosed, "[]"},
		{"the end waits, then cancel", func(s *sender) { s.hold = true; s.Close(); s.CancelWrite(5) }, "[finish reset 5 ended]", context.Canceled, cancelled, "[]"},
		{"the connection ends", func(s *sender) { s.end.close(9) }, "[ended]", &transport.ConnError{Code: 9}, &transport.ConnError{Code: 9}, "[]"},
		{"close, then the connection ends", func(s *sender) { s.Close(); s.end.close(9) }, "[finish ended]", context.Canceled, net.ErrClosed, "[]"},
		{"the connection ends, then all", func(s *sender) { s.end.close(9); s.Close(); s.CancelWrite(5) }, "[ended]", &transport.ConnError{Code: 9}, &transport.ConnError{Code: 9}, "[]"},
	} {
		for _, early := range []bool{true, false} { // a context that is made before the end, and after it
			e := newEnd()
			s := newSender(e, 100)
			if early {
				s.Context()
			}
			test.do(s)
			want(t, e, test.said)
			if cause := context.Cause(s.Context()); !same(cause, test.cause) {
				t.Errorf("%s: the context ends with %v, want %v", test.name, cause, test.cause)
			}
			if _, err := s.Write([]byte("x")); !same(err, test.write) {
				t.Errorf("%s: Write returns %v, want %v", test.name, err, test.write)
			}
			want(t, e, test.then)
			if n := e.Halves(); n != 0 {
				t.Errorf("%s: %d halves are left", test.name, n)
			}
		}
	}
}

func (s *sender) refuse(code uint64) { s.end.locked(func() { s.Refused(code) }) }

// same tells whether two errors are the same stream's or connection's error,
// or match.
func same(a, b error) bool {
	if x, ok := errors.AsType[*transport.StreamError](a); ok {
		y, ok := errors.AsType[*transport.StreamError](b)
		return ok && *x == *y
	}
	if x, ok := errors.AsType[*transport.ConnError](a); ok {
		y, ok := errors.AsType[*transport.ConnError](b)
		return ok && *x == *y
	}
	return errors.Is(a, b)
}

// A Write that waits for room goes on when there is some, and fails when there
// will be none.
func TestWriteWaitsForRoom(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(s *sender)
		n    int
		err  error
	}{
		{"room", func(s *sender) { s.grow(2); synctest.Wait(); s.grow(10) }, 10, nil},
		{"close", func(s *sender) { s.grow(2); synctest.Wait(); s.Close() }, 6, net.ErrClosed},
		{"cancel", func(s *sender) { s.CancelWrite(5) }, 4, &transport.StreamError{Code: 5}},
		{"refused", func(s *sender) { s.refuse(7) }, 4, &transport.StreamError{Code: 7, Remote: true}},
		{"deadline", func(s *sender) { s.SetWriteDeadline(time.Now().Add(time.Second)) }, 4, os.ErrDeadlineExceeded},
		{"the connection ends", func(s *sender) { s.end.close(9) }, 4, &transport.ConnError{Code: 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSender(newEnd(), 4)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if n, err := s.Write(make([]byte, 10)); n != test.n || !same(err, test.err) {
					t.Errorf("%s: Write returns %d, %v, want %d, %v", test.name, n, err, test.n, test.err)
				}
			}()
			synctest.Wait()
			test.do(s)
			<-done
		})
	}
}

func TestCodesOfResetsFitInAVarint(t *testing.T) {
	e := newEnd()
	newSender(e, 0).CancelWrite(1<<64 - 1)
	newReceiver(e).CancelRead(1<<64 - 1)
	want(t, e, "[reset 4611686018427387903 ended refuse 4611686018427387903]")
}
