package session_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// besideLittleCredit runs a test against a session of moq-lite-06 whose peer allows 64
// bytes on a stream until it reads.
func besideLittleCredit(t *testing.T, mux *api.TrackMux, f func(p *rawPeer, s *session.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(api.Lite06), &memconn.Config{StreamWindow: 64}, nil)
		s, err := session.New(server, session.Options{Hop: hop, Mux: mux, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p := &rawPeer{t, client}
		p.uni("01 01 00")
		f(p, s)
		_ = s.Terminate(api.SessionNoError, "")
		_ = client.CloseWithError(0, "")
	})
}

// subscribeVideo is SUBSCRIBE to the track video of the broadcast demo.
const subscribeVideo = "02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00"

// loseGroups publishes the track. Its handler opens and cancels many groups, with the given
// distance between their numbers, then sends the writer's context, and returns when that
// ends.
func loseGroups(t *testing.T, mux *api.TrackMux, many int, distance api.GroupSequence) <-chan context.Context {
	t.Helper()
	written := make(chan context.Context, 1)
	if err := mux.PublishFunc(t.Context(), "demo", func(w api.TrackWriter) {
		for i := range api.GroupSequence(many) {
			g, err := w.OpenGroupAt(w.Context(), i*distance)
			if err != nil {
				break
			}
			g.Cancel(api.StreamOld)
		}
		written <- w.Context()
		<-w.Context().Done()
	}); err != nil {
		t.Fatal(err)
	}
	return written
}

// TestLostGroupsAreMerged: a subscriber reads nothing while all groups are lost. When it
// reads, it gets one SUBSCRIBE_DROP for them.
func TestLostGroupsAreMerged(t *testing.T) {
	const many = 100_000
	mux := api.NewTrackMux()
	written := loseGroups(t, mux, many, 1)
	besideLittleCredit(t, mux, func(p *rawPeer, _ *session.Session) {
		st := p.bidi(subscribeVideo)
		if ctx := <-written; ctx.Err() != nil {
			t.Fatalf("the subscription has ended: %v", context.Cause(ctx))
		}
		synctest.Wait()
		p.expect(st, "00 01 00")
		lost, messages := api.GroupSequence(0), 0
		r, v := bufio.NewReader(st), message.VersionByName(string(api.Lite06))
		for lost < many {
			var m message.SubscribeDrop
			kind, err := v.ReadVarint(r)
			if err != nil || v.ResponseKind(kind) != message.ResponseDrop {
				t.Fatalf("a message of kind %d, %v; want a drop", kind, err)
			}
			body, err := message.ReadBody(r, v, message.MaxBody, nil)
			if err != nil || m.Parse(v, body) != nil {
				t.Fatal("no drop:", err)
			}
			if m.Start != uint64(lost) || m.Error != uint64(api.StreamOld) {
				t.Fatalf("dropped from %d on with code %d, want %d", m.Start, m.Error, lost)
			}
			lost, messages = api.GroupSequence(m.End)+1, messages+1
		}
		if lost != many || messages > 20 {
			t.Errorf("%d groups lost in %d messages, want %d in a few", lost, messages, many)
		}
	})
}

// TestTooManyLossesEndTheSubscription: a subscriber reads nothing while every other group
// is lost. The subscription ends, and no group is reported as lost that was not.
func TestTooManyLossesEndTheSubscription(t *testing.T) {
	mux := api.NewTrackMux()
	written := loseGroups(t, mux, 100_000, 2)
	besideLittleCredit(t, mux, func(p *rawPeer, _ *session.Session) {
		st := p.bidi(subscribeVideo)
		if ctx := <-written; !errors.Is(context.Cause(ctx), api.ErrTooFarBehind) {
			t.Errorf("the writer's context has ended with %v", context.Cause(ctx))
		}
		synctest.Wait()
		p.expectReset(st, uint64(api.StreamTooFarBehind))
	})
}

// answeredSubscription makes s subscribe to the peer p, and returns the subscription and
// p's end of its stream, from which the request was read.
func answeredSubscription(p *rawPeer, s *session.Session) (r api.TrackReader, st transport.Stream) {
	t := p.t
	t.Helper()
	subscribed := make(chan error, 1)
	go func() {
		var err error
		r, err = s.Subscribe(t.Context(), "demo", "video", nil)
		subscribed <- err
	}()
	for range 2 {
		opened, err := p.conn.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kind := make([]byte, 1)
		if _, err := io.ReadFull(opened, kind); err != nil {
			t.Fatal(err)
		}
		switch message.StreamType(kind[0]) {
		case message.StreamSubscribe:
			st = opened
		default: // TRACK
			if _, err := opened.Write(p.bytes("05 7f 5388 43e8")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := <-subscribed; err != nil {
		t.Fatal(err)
	}
	return r, st
}

// TestUpdatesDoNotWaitForThePublisher: while the publisher does not read, Update and Close
// return all the same. When it reads, it gets the newest update.
func TestUpdatesDoNotWaitForThePublisher(t *testing.T) {
	besideLittleCredit(t, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
		r, st := answeredSubscription(p, s)
		update := func() {
			for i := range 10_000 {
				if err := r.Update(&api.SubscribeConfig{Priority: api.Priority(i % 100)}); err != nil {
					t.Fatalf("update %d: %v", i, err)
				}
			}
		}
		update()
		_ = st.SetReadDeadline(time.Now().Add(time.Second))
		b, _ := io.ReadAll(st)
		newest := string(p.bytes("0d e2 c000010000000000 00 00 00 00")) // priority 99
		if len(b) > 200 || !strings.HasSuffix(string(b), newest) {
			t.Errorf("read % x, which is long or does not end with the newest update", b)
		}
		update()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		_ = st.SetReadDeadline(time.Time{})
		if _, err := io.ReadAll(st); err != nil {
			t.Errorf("the subscriber's half ended with %v, want a FIN", err)
		}
	})
}
