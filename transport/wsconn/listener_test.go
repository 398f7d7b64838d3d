package wsconn_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wsconn"
)

// A failing socket's Accept fails, first with a temporary error and then with
// a permanent one.
type failing struct {
	net.Listener
	calls atomic.Int32
}

var errBroken = errors.New("broken")

type passing struct{ error }

func (passing) Temporary() bool { return true }

func (f *failing) Accept() (net.Conn, error) {
	if f.calls.Add(1) == 1 {
		return nil, passing{errors.New("too many open files")}
	}
	return nil, errBroken
}

// Accept reports that the socket has failed, but not temporary errors.
func TestSocketFails(t *testing.T) {
	transporttest.NoLeaks(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket := &failing{Listener: tcp}
	l, err := wsconn.Listen("", wsconn.ListenOptions{Protocols: []string{protocol}, Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if _, err := l.Accept(ctx); !errors.Is(err, errBroken) {
			t.Errorf("Accept: %v, want %v", err, errBroken)
		}
	}
	if n := socket.calls.Load(); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
}
