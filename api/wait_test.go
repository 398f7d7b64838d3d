package api_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/mocks"
)

// waiting returns a subscriber whose peer announces what set has.
func waiting(t *testing.T, set *api.AnnouncementSet, path string) *mocks.MockSubscriber {
	s := mocks.NewMockSubscriber(gomock.NewController(t))
	s.EXPECT().Announcements(gomock.Any(), path).DoAndReturn(
		func(_ context.Context, prefix string) (api.AnnouncementReader, error) { return set.Reader(prefix), nil })
	return s
}

func TestWaitAnnounced(t *testing.T) {
	for _, at := range []api.BroadcastPath{"room/cam", "room", ""} {
		t.Run(string(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set api.AnnouncementSet
				set.Put(api.Announcement{Path: "room/cam/below"})
				set.Put(api.Announcement{Path: "room/other"})
				time.AfterFunc(time.Second, func() { set.Put(api.Announcement{Path: at, Hops: []api.Hop{7}}) })
				began := time.Now()
				a, err := api.WaitAnnounced(t.Context(), waiting(t, &set, "room/cam"), "/room//cam")
				if err != nil || a.Status != api.AnnouncementActive || a.Origin() != 7 || time.Since(began) != time.Second {
					t.Errorf("after %v: %+v, %v", time.Since(began), a, err)
				}
				began = time.Now()
				if _, err = api.WaitAnnounced(t.Context(), waiting(t, &set, "room/cam"), "room/cam"); err != nil || time.Since(began) != 0 {
					t.Errorf("again, after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// TestWaitAnnouncedByItself has a peer that announces only the path above.
func TestWaitAnnouncedByItself(t *testing.T) {
	s := mocks.NewMockSubscriber(gomock.NewController(t))
	s.EXPECT().Announcements(gomock.Any(), "room/cam").Return(apitest.Announcements(apitest.Complete(), apitest.Active("room")), nil)
	if a, err := api.WaitAnnounced(t.Context(), s, "room/cam"); err != nil || a.Path != "room" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestWaitAnnouncedInVain(t *testing.T) {
	lost := &api.SessionError{Code: api.SessionInternal}
	for _, test := range []struct {
		name      string
		end, want error
	}{
		{"the peer ends the set", nil, io.EOF},
		{"the session ends", lost, api.ErrSessionClosed},
		{"the context ends", errors.New("too late"), context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set api.AnnouncementSet
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if test.want != context.DeadlineExceeded {
					time.AfterFunc(time.Second, func() { set.End(test.end) })
				}
				_, err := api.WaitAnnounced(ctx, waiting(t, &set, "room"), "room")
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), `"room"`) {
					t.Errorf("%v, want %v", err, test.want)
				}
				_, err = api.SubscribeWhenAnnounced(ctx, waiting(t, &set, "room"), "room", "video", nil)
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), `"room"`) {
					t.Errorf("subscribe: %v, want %v", err, test.want)
				}
			})
		})
	}
	refused := errors.New("refused")
	s := mocks.NewMockSubscriber(gomock.NewController(t))
	s.EXPECT().Announcements(gomock.Any(), "room").Return(nil, refused)
	if _, err := api.WaitAnnounced(t.Context(), s, "room"); !errors.Is(err, refused) {
		t.Errorf("%v, want that of Announcements", err)
	}
}

// TestSubscribeWhenAnnounced subscribes first when a path above is announced,
// and again when the path itself is.
func TestSubscribeWhenAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set api.AnnouncementSet
		s := waiting(t, &set, "room/cam")
		time.AfterFunc(1*time.Second, func() { set.Put(api.Announcement{Path: "room"}) })
		time.AfterFunc(2*time.Second, func() { set.Put(api.Announcement{Path: "room/cam"}) })
		config, track := &api.SubscribeConfig{Priority: 3}, apitest.Track(api.TrackInfo{}, nil)
		subscribe := func() *gomock.Call {
			return s.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/cam"), api.TrackName("video"), config).Call
		}
		gomock.InOrder(
			subscribe().Return(nil, &api.StreamError{Code: api.StreamUnroutable, Remote: true}),
			subscribe().Return(track, nil),
		)
		began := time.Now()
		r, err := api.SubscribeWhenAnnounced(t.Context(), s, "room/cam", "video", config)
		if err != nil || r != track || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v, %v", time.Since(began), r, err)
		}
	})
}

// TestSubscribeWhenAnnouncedIsRefused: a refusal that another announcement
// cannot change is returned at once, the others at the end of the context.
func TestSubscribeWhenAnnouncedIsRefused(t *testing.T) {
	for code, after := range map[api.StreamErrorCode]time.Duration{
		api.StreamNotFound: 0, api.StreamUnauthorized: 0, api.StreamInternal: 0, api.StreamUnroutable: time.Minute,
	} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set api.AnnouncementSet
				set.Put(api.Announcement{Path: "room"})
				s := waiting(t, &set, "room")
				refusal := &api.StreamError{Code: code, Remote: true}
				s.EXPECT().Subscribe(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).Return(nil, refusal)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				_, err := api.SubscribeWhenAnnounced(ctx, s, "room", "video", nil)
				late := errors.Is(err, context.DeadlineExceeded)
				if !errors.Is(err, refusal) || time.Since(began) != after || late != (after != 0) {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// TestWaitEnded has another broadcast below, which does not count.
func TestWaitEnded(t *testing.T) {
	told := api.Announcement{Path: "room/cam", Hops: []api.Hop{7, 8}}
	for _, test := range []struct {
		name   string
		change func(set *api.AnnouncementSet)
	}{
		{"withdrawn", func(set *api.AnnouncementSet) { set.Remove("room/cam") }},
		{"replaced", func(set *api.AnnouncementSet) { set.Put(api.Announcement{Path: "room/cam", Hops: []api.Hop{9}}) }},
		{"all ended", func(set *api.AnnouncementSet) { set.End(io.EOF) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set api.AnnouncementSet
				set.Put(told)
				set.Put(api.Announcement{Path: "room/cam/below", Hops: []api.Hop{7}})
				set.Complete()
				time.AfterFunc(time.Second, func() {
					set.Update(api.Announcement{Path: "room/cam", Hops: []api.Hop{7}}) // another route
				})
				time.AfterFunc(2*time.Second, func() { test.change(&set) })
				began := time.Now()
				err := api.WaitEnded(t.Context(), waiting(t, &set, "room/cam"), told)
				if err != nil || time.Since(began) != 2*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				began = time.Now()
				if err := api.WaitEnded(t.Context(), waiting(t, &set, "room/cam"), told); err != nil || time.Since(began) != 0 {
					t.Errorf("again, after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestWaitEndedInVain(t *testing.T) {
	lost := &api.SessionError{Code: api.SessionInternal}
	told := apitest.Active("room/cam")
	s := mocks.NewMockSubscriber(gomock.NewController(t))
	s.EXPECT().Announcements(gomock.Any(), "room/cam").Return(apitest.EndedAnnouncements(lost, told, apitest.Complete()), nil)
	if err := api.WaitEnded(t.Context(), s, told); !errors.Is(err, lost) {
		t.Errorf("the session is lost: %v", err)
	}
	s.EXPECT().Announcements(gomock.Any(), "room/cam").Return(nil, lost)
	if err := api.WaitEnded(t.Context(), s, told); !errors.Is(err, lost) {
		t.Errorf("it was lost before: %v", err)
	}
}
