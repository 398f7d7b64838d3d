package live_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

func TestOpenIsRefused(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	aborted := live.NewTrack(api.TrackInfo{}, live.Limits{})
	_ = aborted.CloseWithError(api.StreamGoingAway)
	_ = aborted.CloseWithError(api.StreamInternal)
	_ = aborted.Close()
	closed := live.NewTrack(api.TrackInfo{}, live.Limits{})
	_ = closed.Close()
	taken := live.NewTrack(api.TrackInfo{}, live.Limits{})
	openAt(t, taken, 1<<62-2, 1)
	tests := []struct {
		name  string
		track *live.Track
		ctx   context.Context
		want  error
	}{
		{"its context has ended", live.NewTrack(api.TrackInfo{}, live.Limits{}), over, context.Cause(over)},
		{"aborted", aborted, t.Context(), api.ErrGoingAway},
		{"closed", closed, t.Context(), api.ErrClosed},
		{"no number is left", taken, t.Context(), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.track.OpenGroup(test.ctx); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("the next group: %v, want %v", err, test.want)
			}
			if _, err := test.track.OpenGroupAt(test.ctx, 1<<62-1); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("group 2^62-1: %v, want %v", err, test.want)
			}
		})
	}
}

func TestWriterIsHeldToItsFrames(t *testing.T) {
	track := live.NewTrack(api.TrackInfo{}, live.Limits{})
	g := open(t, track, 1)
	if err := g.WriteFrame(api.Frame{Timestamp: 1 << 62}); err == nil {
		t.Error("a timestamp is taken that cannot travel")
	}
	if err := track.SendDatagram(api.Datagram{Timestamp: 1 << 62}); err == nil {
		t.Error("a datagram's timestamp is taken that cannot travel")
	}
	body, err := g.StartFrame(api.FrameHeader{Timestamp: 1, Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := body.Write([]byte("123456")); n != 0 || !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("one byte too much: %d, %v", n, err)
	}
	if n, err := body.Write([]byte("1234")); n != 4 || err != nil {
		t.Errorf("what fits: %d, %v", n, err)
	}
	if err := g.WriteFrame(api.Frame{}); err == nil {
		t.Error("a frame follows one that is short")
	}
	expectCode(t, "the group then", context.Cause(g.Context()), api.StreamWrongSize)
	expectCode(t, "its end", g.Close(), api.StreamWrongSize)
}

func TestUseAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(g api.GroupWriter){
		"Close":  func(g api.GroupWriter) { _ = g.Close() },
		"Cancel": func(g api.GroupWriter) { g.Cancel(api.StreamCancelled) },
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, live.NewTrack(api.TrackInfo{}, live.Limits{}), 1, "a")
			watched := g.Context()
			end(g)
			if err := context.Cause(watched); !errors.Is(err, api.ErrClosed) {
				t.Errorf("its context: %v, want ErrClosed", err)
			}
			if err := context.Cause(g.Context()); !errors.Is(err, api.ErrClosed) {
				t.Errorf("its context, later: %v, want ErrClosed", err)
			}
			if err := g.WriteFrame(api.Frame{Payload: []byte("b")}); !errors.Is(err, api.ErrClosed) {
				t.Errorf("a frame: %v, want ErrClosed", err)
			}
			if _, err := g.StartFrame(api.FrameHeader{Size: 10_000}); !errors.Is(err, api.ErrClosed) {
				t.Errorf("a streamed frame: %v, want ErrClosed", err)
			}
			if err := g.SkipFrames(1); !errors.Is(err, api.ErrClosed) {
				t.Errorf("skipping: %v, want ErrClosed", err)
			}
			g.Cancel(api.StreamInternal)
			if err := g.Close(); err != nil {
				t.Errorf("a second end: %v", err)
			}
		})
	}
}
