package api_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/mocks"
)

func TestWriteGroup(t *testing.T) {
	w := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	for range 2 {
		if err := api.WriteGroup(t.Context(), w, apitest.Frames("a", "b")...); err != nil {
			t.Fatal(err)
		}
	}
	groups := w.Groups()
	if len(groups) != 2 || groups[1].Sequence() != 1 {
		t.Fatalf("%d groups", len(groups))
	}
	for _, g := range groups {
		closed, code := g.Closed()
		if f := g.Frames(); !closed || code != nil || len(f) != 2 || string(f[1].Payload) != "b" || f[1].Timestamp != 1 {
			t.Errorf("closed %v, %v, with %v", closed, code, f)
		}
	}
}

// TestWriteGroupFails at each of its steps, and leaves no group open.
func TestWriteGroupFails(t *testing.T) {
	old := &api.StreamError{Code: api.StreamOld, Remote: true}
	for _, step := range []string{"open", "write", "close"} {
		t.Run(step, func(t *testing.T) {
			ctrl := gomock.NewController(t)
			sink, g := mocks.NewMockTrackSink(ctrl), mocks.NewMockGroupWriter(ctrl)
			g.EXPECT().Sequence().Return(api.GroupSequence(4)).AnyTimes()
			switch step {
			case "open":
				sink.EXPECT().OpenGroup(gomock.Any()).Return(nil, old)
			case "write":
				sink.EXPECT().OpenGroup(gomock.Any()).Return(g, nil)
				g.EXPECT().WriteFrame(gomock.Any()).Return(old)
				g.EXPECT().Cancel(api.StreamOld)
			case "close":
				sink.EXPECT().OpenGroup(gomock.Any()).Return(g, nil)
				g.EXPECT().WriteFrame(gomock.Any()).Return(nil).Times(2)
				g.EXPECT().Close().Return(old)
			}
			if err := api.WriteGroup(t.Context(), sink, apitest.Frames("a", "b")...); !errors.Is(err, api.ErrTooFarBehind) {
				t.Error(err)
			}
		})
	}
}

// TestWriteGroupIsBounded by its context, however long a write blocks.
func TestWriteGroupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		sink, g := mocks.NewMockTrackSink(ctrl), mocks.NewMockGroupWriter(ctrl)
		cancelled := make(chan struct{})
		sink.EXPECT().OpenGroup(gomock.Any()).Return(g, nil)
		g.EXPECT().Sequence().Return(api.GroupSequence(4)).AnyTimes()
		g.EXPECT().WriteFrame(gomock.Any()).DoAndReturn(func(api.Frame) error {
			<-cancelled
			return api.ErrClosed
		})
		g.EXPECT().Cancel(api.StreamDeliveryTimeout).Do(func(api.StreamErrorCode) { close(cancelled) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := api.WriteGroup(ctx, sink, api.Frame{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
