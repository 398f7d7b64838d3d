package serving_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/serving"
	"github.com/moqlite/moqlite/transport/memconn"
)

// closedWith tells the code with which c was closed; false while it is open.
func closedWith(c transport.Conn) (uint64, bool) {
	e, ok := errors.AsType[*transport.ConnError](context.Cause(c.Context()))
	if !ok {
		return 0, false
	}
	return e.Code, true
}

func pair() (client, server transport.Conn) { return memconn.Pipe("moq-lite-06", nil, nil) }

func TestCloseEndsAllAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g serving.Group
		var peers []transport.Conn
		var served atomic.Int32
		for range 3 {
			client, server := pair()
			peers = append(peers, client)
			if !g.Begin() || !g.Add(server) {
				t.Fatal("refused before the end")
			}
			go func() {
				defer g.Done()
				<-server.Context().Done()
				time.Sleep(500 * time.Millisecond)
				served.Add(1)
			}()
		}
		_ = peers[0].CloseWithError(7, "")
		synctest.Wait()
		g.Close()
		for i, want := range []uint64{7, 0, 0} {
			if code, closed := closedWith(peers[i]); !closed || code != want {
				t.Errorf("connection %d was closed: %v, with code %d, want %d", i, closed, code, want)
			}
		}
		g.Wait()
		if n := served.Load(); n != 3 {
			t.Errorf("%d of 3 were served when Wait returned", n)
		}
	})
}

func TestNothingBeginsAfterClose(t *testing.T) {
	var g serving.Group
	g.Close()
	client, server := pair()
	if g.Begin() || g.Add(server) {
		t.Error("accepted after the end")
	}
	if code, closed := closedWith(client); !closed || code != 0 {
		t.Errorf("the late connection was closed: %v, with code %d", closed, code)
	}
	g.Wait()
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g serving.Group
		g.Begin()
		defer g.Done()
		g.Close()
		began := time.Now()
		g.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %v for work that does not end", took)
		}
	})
}

func TestPanicClosesTheConnection(t *testing.T) {
	client, server := pair()
	var panicked any
	serving.Serve(server, func(transport.Conn) { panic("lost") }, func(p any) { panicked = p })
	if code, closed := closedWith(client); panicked != "lost" || !closed || code != 1 {
		t.Errorf("panicked with %v; the connection was closed: %v, with code %d", panicked, closed, code)
	}
	client, server = pair()
	serving.Serve(server, func(transport.Conn) {}, func(p any) { t.Errorf("panicked with %v", p) })
	if _, closed := closedWith(client); closed {
		t.Error("a connection is closed whose application keeps it")
	}
}
