package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// TestObserveTells checks what each hook is told, in which order.
func TestObserveTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		note := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
		network := &memconn.Network{Config: &memconn.Config{OneWayDelay: 10 * time.Millisecond}}
		l, err := network.Listen("relay.example", []string{"moq-lite-06"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d := transport.Observe(network, transport.Hooks{
			DialStart: func(url string) { note("dial %s", url) },
			DialDone: func(url string, took time.Duration, err error) {
				note("dialled %s: %t, %t", url, took >= 0, err == nil)
			},
			Conn: func(s transport.State) *transport.ConnHooks {
				note("connected by %s", s.Transport)
				return &transport.ConnHooks{
					Sent:     func(n int) { note("sent %d", n) },
					Received: func(n int) { note("received %d", n) },
					Closed:   func(err error) { note("closed: %v", err) },
				}
			},
		})
		c, err := d.Dial(t.Context(), "moqt://user:word@relay.example/room?jwt=secret", []string{"moq-lite-06"})
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w, _ := c.OpenUniStream(t.Context())
		_, _ = w.Write([]byte("four"))
		r, _ := peer.AcceptUniStream(t.Context())
		b := make([]byte, 4)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		back, _ := peer.OpenUniStream(t.Context())
		_, _ = back.Write([]byte("seven.."))
		in, _ := c.AcceptUniStream(t.Context())
		if _, err := io.ReadFull(in, make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		_ = peer.CloseWithError(2, "enough")
		synctest.Wait()
		time.Sleep(time.Second)
		_ = c.CloseWithError(0, "")
		want := []string{
			"dial moqt://relay.example/room", "dialled moqt://relay.example/room: true, true", "connected by memory",
			"sent 4", "received 7", `closed: connection closed by the peer with code 0x2: enough`,
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q\nwant %q", told, want)
		}
	})
}

// TestObserveNothing checks that nil hooks wrap no connection, and that errors of
// a dial are passed on as they are.
func TestObserveNothing(t *testing.T) {
	client, _ := memconn.Pipe("moq-lite-06", nil, nil)
	defer client.CloseWithError(0, "")
	refused := errors.New("refused")
	var fail error
	inner := transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) { return client, fail })
	none := transport.Hooks{Conn: func(transport.State) *transport.ConnHooks { return nil }}
	for _, h := range []transport.Hooks{{}, none} {
		fail = nil
		if c, err := transport.Observe(inner, h).Dial(t.Context(), "moqt://relay.example", nil); c != client || err != nil {
			t.Errorf("dialled %v, %v", c, err)
		}
		fail = refused
		if c, err := transport.Observe(inner, h).Dial(t.Context(), "moqt://relay.example", nil); c != nil || err != refused {
			t.Errorf("dialled %v, %v", c, err)
		}
	}
}

// TestObservePassesOptions checks that the options of a dial arrive below.
func TestObservePassesOptions(t *testing.T) {
	inner := new(targets)
	target, err := transport.ParseURL("https://relay.example")
	if err != nil {
		t.Fatal(err)
	}
	target.Options.OwnSocket = true
	d := transport.Observe(transport.Observe(inner, transport.Hooks{}), transport.Hooks{})
	_, _ = transport.DialTarget(t.Context(), d, target, nil)
	if inner.target != target {
		t.Errorf("dialled %v, want %v", inner.target, target)
	}
}

// targets remembers what it has dialled.
type targets struct{ target *transport.Target }

func (d *targets) Dial(context.Context, string, []string) (transport.Conn, error) {
	return nil, errors.New("without options")
}

func (d *targets) DialTarget(_ context.Context, t *transport.Target, _ []string) (transport.Conn, error) {
	d.target = t
	return nil, errors.New("nobody")
}

// TestObserveAllocatesNothing checks that writing to an observed stream costs no
// memory.
func TestObserveAllocatesNothing(t *testing.T) {
	inner := transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) { return sink{}, nil })
	sent := 0
	c, err := transport.Observe(inner, transport.Hooks{Conn: func(transport.State) *transport.ConnHooks {
		return &transport.ConnHooks{Sent: func(n int) { sent += n }}
	}}).Dial(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.OpenUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := []byte("frame")
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Write(b) }); n != 0 || sent < 500 {
		t.Errorf("%v allocations a write, %d bytes", n, sent)
	}
}

// A sink is a connection whose streams take everything.
type sink struct{ transport.Conn }

func (sink) State() transport.State { return transport.State{} }

func (sink) OpenUniStream(context.Context) (transport.SendStream, error) { return sinkStream{}, nil }

type sinkStream struct{ transport.SendStream }

func (sinkStream) Write(p []byte) (int, error) { return len(p), nil }
