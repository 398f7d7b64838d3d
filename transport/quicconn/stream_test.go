package quicconn_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// rawPair makes a connection whose client is a plain connection of quic-go.
func rawPair(t *testing.T, conf *quic.Config) (client *quic.Conn, server transport.Conn) {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, conf, quicconn.ListenOptions{Protocols: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	e := new(quicconn.Endpoint)
	client, err = e.Dial(t.Context(), l.Addr().String(), []string{protocol}, clientTLS, conf)
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseWithError(0, "")
		e.Close()
		l.Close()
	})
	return client, server
}

// Checks the codes on the wire, and how received codes are interpreted.
func TestStreamCodes(t *testing.T) {
	transporttest.NoLeaks(t)
	client, server := rawPair(t, nil)
	for _, c := range []struct {
		code uint64
		wire quic.StreamErrorCode
	}{{0, 0x52e4a40fa8db}, {1, 0x52e4a40fa8dc}, {0x33, 0x52e4a40fa90f}, {1<<32 - 1, 0x52e5ac983162}} {
		w, err := server.OpenUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.CancelWrite(c.code)
		r, err := client.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		if e, ok := errors.AsType[*quic.StreamError](err); !ok || e.ErrorCode != c.wire {
			t.Errorf("code %#x: the peer sees %v, want %#x", c.code, err, uint64(c.wire))
		}
	}
	for wire, code := range map[quic.StreamErrorCode]uint64{
		0: 0, 0x33: 0x33, 1<<32 - 1: 1<<32 - 1, 0x52e4a40fa8db: 0, 0x52e4a40fa90f: 0x33, 0x52e5ac983162: 1<<32 - 1,
	} {
		w, err := client.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		w.CancelWrite(wire)
		r, err := server.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Read(make([]byte, 1))
		if e, ok := errors.AsType[*transport.StreamError](err); !ok || e.Code != code || !e.Remote {
			t.Errorf("%#x on the wire: %v, want code %#x", uint64(wire), err, code)
		}
	}
}

func TestSessionCodesAreRaw(t *testing.T) {
	transporttest.NoLeaks(t)
	client, server := rawPair(t, nil)
	if err := server.CloseWithError(0x33, "enough"); err != nil {
		t.Fatal(err)
	}
	<-client.Context().Done()
	e, ok := errors.AsType[*quic.ApplicationError](context.Cause(client.Context()))
	if !ok || e.ErrorCode != 0x33 || e.ErrorMessage != "enough" || !e.Remote {
		t.Errorf("the peer sees %v", context.Cause(client.Context()))
	}
}

// A reason that fits in no packet is truncated; the close is sent with its
// code.
func TestLongReason(t *testing.T) {
	transporttest.NoLeaks(t)
	client, server := rawPair(t, nil)
	reason := make([]byte, 5000)
	for i := range reason {
		reason[i] = "é"[i%2]
	}
	if err := server.CloseWithError(1<<63, "x"+string(reason)); err != nil {
		t.Fatal(err)
	}
	<-client.Context().Done()
	e, ok := errors.AsType[*quic.ApplicationError](context.Cause(client.Context()))
	if !ok || e.ErrorCode != 1<<62-1 || e.ErrorMessage != "x"+string(reason[:1022]) {
		t.Errorf("the peer sees %v", context.Cause(client.Context()))
	}
}

func TestIdleTimeout(t *testing.T) {
	transporttest.NoLeaks(t)
	conf := quicconn.DefaultConfig()
	conf.KeepAlivePeriod, conf.MaxIdleTimeout = -1, 300*time.Millisecond
	_, server := rawPair(t, conf)
	<-server.Context().Done()
	e, ok := context.Cause(server.Context()).(*transport.ConnError)
	if !ok || e.Err == nil || e.Remote || e.Code != 0 {
		t.Fatalf("cause is %#v", context.Cause(server.Context()))
	}
	if _, ok := errors.AsType[*quic.IdleTimeoutError](e); !ok {
		t.Errorf("%v does not lead to quic-go's error", e)
	}
	if _, err := server.OpenStream(t.Context()); !errors.Is(err, e) {
		t.Errorf("OpenStream: %v, want %v", err, e)
	}
}
