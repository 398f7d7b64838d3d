package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

func TestDatagrams(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for i := range uint64(3) {
				if err := w.SendDatagram(api.Datagram{Timestamp: 10 + i, Payload: fmt.Appendf(nil, "d%d", i)}); err != nil {
					t.Error(err)
				}
			}
			if err := w.SendDatagram(api.Datagram{Sequence: 7, Payload: []byte("d7")}); err != nil {
				t.Error(err)
			}
			g, err := w.OpenGroup(w.Context())
			if err != nil || g.Sequence() != 8 {
				t.Errorf("group %d, %v; want 8: numbers are shared with datagrams", g.Sequence(), err)
			}
			_ = g.Close()
			time.Sleep(time.Second) // before the end is told
		})
		r := subscribe(t, s, "room", nil)
		d := api.Datagram{Payload: make([]byte, 0, 100)}
		memory := &d.Payload[:1][0]
		for i, want := range []string{"0 10 d0", "1 11 d1", "2 12 d2", "7 0 d7"} {
			if err := r.ReceiveDatagram(t.Context(), &d); err != nil {
				t.Fatalf("datagram %d: %v", i, err)
			}
			if got := fmt.Sprintf("%d %d %s", d.Sequence, d.Timestamp, d.Payload); got != want {
				t.Errorf("datagram %d is %q, want %q", i, got, want)
			}
			if &d.Payload[0] != memory {
				t.Errorf("datagram %d is not in the caller's memory", i)
			}
		}
		if g := accept(t, r); g.Sequence() != 8 || g.ReadFrame(new(api.Frame)) != io.EOF {
			t.Errorf("group %d, want the empty group 8", g.Sequence())
		}
		if err := r.ReceiveDatagram(t.Context(), &d); err != io.EOF {
			t.Errorf("after the track's end: %v", err)
		}
		if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
			t.Errorf("after the track's end: %v", err)
		}
		if gaps := fmt.Sprint(lost(r)); gaps != "[3-7]" {
			t.Errorf("gaps %s, want what was neither sent as a group nor as a datagram", gaps)
		}
	})
}

// lost returns a track's gaps as text.
func lost(r api.TrackReader) (spans []string) {
	for _, gap := range r.Gaps() {
		spans = append(spans, fmt.Sprintf("%d-%d", gap.Start, gap.End))
	}
	return spans
}

func TestDatagramsAreNotSupportedBefore05(t *testing.T) {
	inVersions(t, withoutFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			if err := w.SendDatagram(api.Datagram{}); !errors.Is(err, api.ErrNotSupported) {
				t.Errorf("SendDatagram: %v, want ErrNotSupported", err)
			}
		})
		r := subscribe(t, s, "room", nil)
		if err := r.ReceiveDatagram(t.Context(), new(api.Datagram)); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("ReceiveDatagram: %v, want ErrNotSupported", err)
		}
	})
}

func TestLargeDatagrams(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			if err := w.SendDatagram(api.Datagram{Payload: make([]byte, 1200)}); !errors.Is(err, api.ErrDatagramTooLarge) {
				t.Errorf("1,200 bytes and a header: %v, want ErrDatagramTooLarge", err)
			}
			if err := w.SendDatagram(api.Datagram{Payload: make([]byte, 1197)}); err != nil {
				t.Errorf("1,200 bytes in all: %v", err)
			}
			<-w.Context().Done()
		})
		var d api.Datagram
		if err := subscribe(t, s, "room", nil).ReceiveDatagram(t.Context(), &d); err != nil || len(d.Payload) != 1197 {
			t.Errorf("%d bytes, %v", len(d.Payload), err)
		}
	})
}

// TestUnreadDatagrams checks that the oldest unread datagrams are dropped and
// counted.
func TestUnreadDatagrams(t *testing.T) {
	const sent = 500
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for range sent {
				_ = w.SendDatagram(api.Datagram{})
				synctest.Wait() // so that the peer's queue alone drops
			}
			<-w.Context().Done()
		})
		r := subscribe(t, s, "room", nil)
		time.Sleep(time.Second)
		dropped := s.Stats().DatagramsDropped
		var d api.Datagram
		if err := r.ReceiveDatagram(t.Context(), &d); err != nil || dropped == 0 || uint64(d.Sequence) != dropped {
			t.Errorf("the first is %d, %v, with %d dropped", d.Sequence, err, dropped)
		}
		for d.Sequence < sent-1 {
			if err := r.ReceiveDatagram(t.Context(), &d); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.ReceiveDatagram(ctx, &d); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with none left: %v, want the context's end", err)
		}
		_ = r.Close()
		if err := r.ReceiveDatagram(t.Context(), &d); !errors.Is(err, api.ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	})
}

func TestProbe(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		r, err := s.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Receive(t.Context()); err != nil {
			t.Errorf("the first report: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		if _, err := r.Receive(ctx); err != nil {
			t.Errorf("the next report: %v", err)
		}
		blocked := make(chan error)
		go func() { _, err := r.Receive(t.Context()); blocked <- err }()
		synctest.Wait()
		_ = r.Close()
		if err := <-blocked; !errors.Is(err, api.ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	})
}

func TestProbeEndsWithTheSession(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		r, err := s.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.Receive(t.Context())
		_ = s.Terminate(api.SessionNoError, "")
		if _, err := r.Receive(t.Context()); !strings.Contains(fmt.Sprint(err), "session") {
			t.Errorf("after the session's end: %v", err)
		}
	})
}
