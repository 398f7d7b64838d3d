package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport/memconn"
)

var version = message.VersionByName(string(api.Lite06))

// host implements control.Host for an outbox.
type host struct {
	tasks sync.WaitGroup
	start chan struct{} // tasks wait until it is closed, unless it is nil
}

func (h *host) Spawn(f func()) bool {
	h.tasks.Go(func() {
		if h.start != nil {
			<-h.start
		}
		f()
	})
	return true
}
func (h *host) ControlDeadline() time.Time  { return time.Now().Add(10 * time.Second) }
func (h *host) StreamError(err error) error { return err }

// between runs a test with both ends of a Goaway stream on which the peer allows 64 bytes
// until it reads.
func between(t *testing.T, f func(t *testing.T, h *host, here, there *Stream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(api.Lite06), &memconn.Config{StreamWindow: 64}, nil)
		defer client.CloseWithError(0, "")
		there, err := Open(t.Context(), client, version, message.StreamSubscribe, &message.GoAway{URI: "there"})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := server.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		here := New(raw, version)
		var h host
		f(t, &h, here, there)
		_ = client.CloseWithError(0, "")
		h.tasks.Wait()
	})
}

// Messages arrive as they were sent, followed by the end of the half.
func TestStream(t *testing.T) {
	between(t, func(t *testing.T, _ *host, here, there *Stream) {
		kind, err := here.ReadType()
		var first message.GoAway
		if err == nil {
			err = here.Receive(&first)
		}
		if err != nil || message.StreamType(kind) != message.StreamSubscribe || first.URI != "there" {
			t.Fatalf("the stream begins with %d and %+v, %v", kind, first, err)
		}
		go func() {
			for _, uri := range []string{"a", "b", "c"} {
				_ = here.Send(&message.GoAway{URI: uri})
			}
			_ = here.Close()
		}()
		reads := there.UseBuffer(4096)
		var m message.GoAway
		if err := there.Receive(&m); err != nil || m.URI != "a" {
			t.Errorf("received %+v, %v", m, err)
		}
		if err := there.Skip(); err != nil {
			t.Error(err)
		}
		if err := there.Receive(&m); err != nil || m.URI != "c" {
			t.Errorf("received %+v, %v", m, err)
		}
		if err := there.Receive(&m); err != io.EOF {
			t.Errorf("received %+v, %v after the last", m, err)
		}
		if !there.AwaitEnd() || reads() == 0 {
			t.Errorf("no end in order after %d reads", reads())
		}
	})
}

// The end of a context unblocks the goroutine that reads.
func TestAbandonAt(t *testing.T) {
	between(t, func(t *testing.T, _ *host, here, there *Stream) {
		ctx, cancel := context.WithCancel(t.Context())
		stop := there.AbandonAt(ctx)
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		if err := there.Skip(); err == nil || err == io.EOF {
			t.Errorf("read %v", err)
		}
		if stop() {
			t.Error("stop reports that the stream was not reset")
		}
	})
}

// The methods of an outbox do not wait for the peer, and the queue is bounded even if the
// peer reads nothing.
func TestOutboxNeverWaits(t *testing.T) {
	between(t, func(t *testing.T, h *host, here, there *Stream) {
		var o Outbox
		o.Init(h, here)
		begin := time.Now()
		o.Put(&message.SubscribeStart{Group: 1})
		for i := range api.GroupSequence(100_000) {
			if err := o.Update(&message.GoAway{URI: strings.Repeat("x", 60)}); err != nil {
				t.Fatal(err)
			}
			// Every fourth group is not lost, for a while.
			if i%4 != 3 || i > 2000 {
				if !o.Drop(api.Gap{Start: i, End: i + 1, Err: errors.New("lost")}) {
					t.Fatal("given up though what is lost was merged")
				}
			}
		}
		o.Finish()
		if time.Since(begin) > 0 {
			t.Error("somebody has waited")
		}
		o.mu.Lock()
		if n := len(o.queued) + len(o.drops.All()); n > 1000 {
			t.Errorf("%d bytes and runs wait", n)
		}
		o.mu.Unlock()
		kind, err := there.ReadType()
		if err != nil || version.ResponseKind(kind) != message.ResponseStart {
			t.Fatalf("first came %d, %v", kind, err)
		}
		if !there.AwaitEnd() {
			t.Error("no end in order")
		}
	})
}

// If a peer reads nothing while more and more groups are lost, Drop reports that once.
func TestOutboxGivesUp(t *testing.T) {
	between(t, func(t *testing.T, h *host, here, there *Stream) {
		var o Outbox
		o.Init(h, here)
		given := 0
		for i := range api.GroupSequence(10_000) {
			if !o.Drop(api.Gap{Start: 2 * i, End: 2*i + 1}) {
				given++
			}
			o.mu.Lock()
			n := len(o.drops.All())
			o.mu.Unlock()
			if n > maxDrops {
				t.Fatalf("%d runs wait", n)
			}
		}
		if given != 1 {
			t.Errorf("given up %d times", given)
		}
		if err := o.Update(&message.GoAway{}); !errors.Is(err, api.ErrTooFarBehind) {
			t.Errorf("an update then fails with %v", err)
		}
	})
}

// Adjacent groups that are lost for causes of one code are sent as one SUBSCRIBE_DROP.
func TestOutboxMergesCauses(t *testing.T) {
	between(t, func(t *testing.T, h *host, here, there *Stream) {
		var o Outbox
		o.Init(h, here)
		h.start = make(chan struct{}) // until all are queued
		o.Drop(api.Gap{Start: 1, End: 3, Err: api.ErrTooFarBehind})
		o.Drop(api.Gap{Start: 5, End: 7})
		o.Drop(api.Gap{Start: 3, End: 5, Err: &api.StreamError{Code: api.StreamOld, Remote: true}})
		close(h.start)
		for _, want := range []message.SubscribeDrop{
			{Start: 1, End: 4, Error: uint64(api.StreamOld)},
			{Start: 5, End: 6, Error: uint64(api.StreamNotFound)},
		} {
			var m message.SubscribeDrop
			if _, err := there.ReadType(); err != nil {
				t.Fatal(err)
			}
			if err := there.Receive(&m); err != nil || m != want {
				t.Errorf("told %+v, %v; want %+v", m, err, want)
			}
		}
	})
}

// The application answers, panics, or does not answer.
func TestAsk(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	answer := errors.New("no")
	for name, test := range map[string]struct {
		ask  func() (int, error)
		want int
		err  error
	}{
		"answer": {func() (int, error) { return 3, nil }, 3, nil},
		"error":  {func() (int, error) { return 0, answer }, 0, answer},
		"panic":  {func() (int, error) { panic("oh") }, 0, ErrPanicked},
		"goexit": {func() (int, error) { runtime.Goexit(); return 1, nil }, 0, ErrPanicked},
	} {
		got, err := Ask(t.Context(), log, "OnAsk", test.ask)
		if got != test.want || err != test.err {
			t.Errorf("%s: %d, %v; want %d, %v", name, got, err, test.want, test.err)
		}
	}
	if got := text.String(); strings.Count(got, "handler panicked") != 1 || !strings.Contains(got, "handler=OnAsk panic=oh") {
		t.Errorf("logged %q", got)
	}
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer cancel()
		begin, late := time.Now(), make(chan struct{})
		if _, err := Ask(ctx, log, "OnAsk", func() (int, error) { <-late; return 1, nil }); err != enough || time.Since(begin) != time.Second {
			t.Errorf("asked for %v, then %v", time.Since(begin), err)
		}
		close(late)
	})
	if api.ErrorCode(ErrPanicked) != api.StreamInternal {
		t.Errorf("a panic is told as %v", api.ErrorCode(ErrPanicked))
	}
}
