package memconn_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

const version = "moq-lite-06"

// bubble runs f with a new pair in a synctest bubble, and checks that nothing
// is left.
func bubble(t *testing.T, client, server *memconn.Config, f func(t *testing.T, c, s *memconn.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, s := memconn.Pipe(version, client, server)
		t.Cleanup(func() {
			c.CloseWithError(0, "")
			s.CloseWithError(0, "")
		})
		f(t, c, s)
	})
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openUni opens a stream and writes p, which is taken at once.
func openUni(t *testing.T, c *memconn.Conn, p []byte) transport.SendStream {
	t.Helper()
	w, err := c.OpenUniStream(t.Context())
	do(t, err)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	return w
}

func acceptUni(t *testing.T, c *memconn.Conn) transport.ReceiveStream {
	t.Helper()
	r, err := c.AcceptUniStream(t.Context())
	do(t, err)
	return r
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	do(t, err)
	return string(b)
}

func readN(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// writable returns how many bytes of a large Write are taken now.
func writable(t *testing.T, w transport.SendStream) int {
	t.Helper()
	do(t, w.SetWriteDeadline(time.Now().Add(time.Second)))
	n, err := w.Write(make([]byte, 1<<20))
	if err == nil {
		t.Fatal("a MiB was taken")
	}
	do(t, w.SetWriteDeadline(time.Time{}))
	return n
}

func wantStreamError(t *testing.T, err error, code uint64, remote bool) {
	t.Helper()
	e, ok := errors.AsType[*transport.StreamError](err)
	if !ok || e.Code != code || e.Remote != remote {
		t.Fatalf("error is %v, want code %#x, remote %t", err, code, remote)
	}
}

func wantDialError(t *testing.T, err error, phase transport.Phase, target error) {
	t.Helper()
	e, ok := errors.AsType[*transport.DialError](err)
	if !ok || e.Phase != phase || e.Transport != memconn.Name {
		t.Fatalf("error is %v, want a DialError of phase %s", err, phase)
	}
	if target != nil && !errors.Is(err, target) {
		t.Fatalf("error is %v, want one that matches %v", err, target)
	}
}
