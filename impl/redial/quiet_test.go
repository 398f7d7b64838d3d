package redial_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
)

// TestQuietSessionsBeneath checks that what a redialer asks of the sessions beneath
// by itself needs no expectations: only the application's requests come to the
// mock, for longer than any sign of life takes, over two sessions.
func TestQuietSessionsBeneath(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		asked := mocks.NewMockSubscriber(ctrl)
		dialer := mocks.NewMockDialer(ctrl)
		cam := apitest.Active("room/cam")
		cam.Hops = []api.Hop{cameraHop}
		first, second := apitest.Session(asked, cam), apitest.Session(asked, cam)
		gomock.InOrder(
			dialer.EXPECT().Dial(gomock.Any(), "moqt://host", gomock.Any()).Return(first, nil),
			dialer.EXPECT().Dial(gomock.Any(), "moqt://host", gomock.Any()).Return(second, nil),
		)
		live := apitest.OpenTrack(api.TrackInfo{}, apitest.Group(7, nil, apitest.Frames("a")...))
		gomock.InOrder(
			asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/cam"), api.TrackName("video"), gomock.Any()).Return(live, nil),
			asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/cam"), api.TrackName("video"), gomock.Any()).
				Return(apitest.Track(api.TrackInfo{}, nil, apitest.Group(8, nil, apitest.Frames("b")...)), nil),
		)
		s := dial(t, dialer, "moqt://host", redial.Policy{}, nil)
		l, _ := listen(t, s, "")
		r, err := s.Subscribe(t.Context(), "room/cam", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if g, err := r.AcceptGroup(t.Context()); err != nil || g.Sequence() != 7 {
			t.Fatalf("the first group: %v, %v", g, err)
		}
		time.Sleep(5 * time.Minute)
		first.End(lost())
		if g, err := r.AcceptGroup(t.Context()); err != nil || g.Sequence() != 8 {
			t.Fatalf("the second group: %v, %v", g, err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if second.Context().Err() != nil {
			t.Error("the second session has ended")
		}
		if got := l.take(); len(got) != 2 {
			t.Errorf("told %q", got)
		}
		_ = s.Terminate(api.SessionNoError, "")
		if second.Context().Err() == nil {
			t.Error("the second session stands")
		}
	})
}
