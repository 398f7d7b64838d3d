package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// The error of a lost connection matches the cause of the loss, except for
// io.EOF of a socket.
func TestLossIsNoEnd(t *testing.T) {
	cause := &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("%w after %w", io.EOF, net.ErrClosed)}
	for _, err := range []error{
		&transport.ConnError{Err: cause},
		&transport.DialError{Err: &transport.ConnError{Err: cause}},
		&transport.DialError{Err: fmt.Errorf("%w and %w", io.ErrUnexpectedEOF, cause)},
	} {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%#v matches an end", err)
		}
		op, ok := errors.AsType[*net.OpError](err)
		if !errors.Is(err, net.ErrClosed) || !ok || op != cause || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("%v has lost its cause", err)
		}
	}
}
