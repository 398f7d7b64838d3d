package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

func TestFirstEndOfAConnectionStays(t *testing.T) {
	e := newEnd()
	e.close(1)
	e.locked(func() {
		if e.End(&transport.ConnError{Code: 2}) || e.Err().Code != 1 {
			t.Error("the connection ended twice")
		}
	})
	first := &transport.ConnError{Code: 1}
	if cause := context.Cause(e.Context()); !same(cause, first) {
		t.Errorf("the context ends with %v", cause)
	}
	if _, err := e.AcceptStream(t.Context()); !same(err, first) {
		t.Errorf("AcceptStream returns %v", err)
	}
	if _, err := e.AcceptUniStream(t.Context()); !same(err, first) {
		t.Errorf("AcceptUniStream returns %v", err)
	}
	if _, err := e.ReceiveDatagram(t.Context()); !same(err, first) {
		t.Errorf("ReceiveDatagram returns %v", err)
	}
	s, r := newSender(e, 10), newReceiver(e) // of a transport whose peer is late to know
	if n := e.Halves(); n != 0 {
		t.Errorf("%d halves wait for a second end", n)
	}
	if _, err := s.Write([]byte("x")); !same(err, first) {
		t.Errorf("Write returns %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !same(err, first) {
		t.Errorf("Read returns %v", err)
	}
}

func TestDatagramsAreBoundedAndCopied(t *testing.T) {
	e := newEnd()
	p := []byte("first")
	e.locked(func() {
		for range 2 * streams.MaxDatagrams {
			e.OfferDatagram(p)
		}
	})
	copy(p, "other")
	if n := e.Datagrams(); n != streams.MaxDatagrams {
		t.Errorf("%d datagrams wait, want %d", n, streams.MaxDatagrams)
	}
	if got, err := e.ReceiveDatagram(t.Context()); string(got) != "first" || err != nil {
		t.Errorf("received %q, %v", got, err)
	}
}

// Callers that wait to open streams are admitted in order, as many as the peer
// allows and not before a full connection has room.
func TestOpenWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnd()
		var limit streams.Limit
		var log []string
		open := func(ctx context.Context, name string, full bool) {
			go e.locked(func() { log = append(log, fmt.Sprint(name, " ", e.Open(ctx, &limit, full))) })
			synctest.Wait()
		}
		step := func(f func(), want ...string) {
			t.Helper()
			e.locked(f)
			synctest.Wait()
			if !slices.Equal(log, want) {
				t.Errorf("opened: %q, want %q", log, want)
			}
			log = nil
		}
		ended, end := context.WithCancelCause(t.Context())
		end(errors.New("too late"))
		leaving, leave := context.WithCancelCause(t.Context())

		limit.Raise(2)
		open(ended, "ended", false)
		open(t.Context(), "a", false)
		open(t.Context(), "full", true)
		open(t.Context(), "behind", false)
		step(func() {}, "ended too late", "a <nil>")
		step(limit.Admit, "full <nil>")
		open(leaving, "leaves", false)
		open(t.Context(), "last", false)
		step(func() { leave(errors.New("left")) }, "leaves left")
		step(limit.Grow, "behind <nil>")
		step(func() { limit.Raise(1) })
		step(limit.Admit)
		step(limit.Grow, "last <nil>")
		open(t.Context(), "cut", false)
		step(func() { e.End(&transport.ConnError{Code: 9}) }, "cut connection closed here with code 0x9")
		open(t.Context(), "after", false)
		step(limit.Grow, "after connection closed here with code 0x9")
	})
}
