package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/mocks"
)

// TestEachBroadcast follows broadcasts that come, change, end, and come again
// before the call for the first life has returned.
func TestEachBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set api.AnnouncementSet
		ctx, cancel := context.WithCancelCause(t.Context())
		var mu sync.Mutex
		var told []string
		tell := func(line string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, line)
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(told)
			if !slices.Equal(told, want) {
				t.Errorf("%v, want %v", told, want)
			}
			told = nil
		}
		done := make(chan error, 1)
		go func() {
			done <- api.EachBroadcast(ctx, waiting(t, &set, "room"), "room", func(ctx context.Context, a api.Announcement) {
				tell(fmt.Sprint("begin ", a.Path, a.Hops))
				<-ctx.Done()
				time.Sleep(time.Second)
				tell(fmt.Sprint("end ", a.Path, a.Hops))
			})
		}()
		put := func(path api.BroadcastPath, hop api.Hop) {
			set.Put(api.Announcement{Path: path, Hops: []api.Hop{hop}})
			synctest.Wait()
		}
		put("room/1", 1)
		put("room/2", 2)
		put("hall", 3)
		expect("begin room/1[1]", "begin room/2[2]")
		set.Update(api.Announcement{Path: "room/1", Hops: []api.Hop{1, 4}})
		expect()
		// It ends, and two more lives come and one goes while the call runs.
		set.Remove("room/1")
		put("room/1", 5)
		set.Remove("room/1")
		put("room/1", 6)
		expect()
		time.Sleep(2 * time.Second)
		expect("begin room/1[6]", "end room/1[1]")
		set.Remove("room/2")
		time.Sleep(2 * time.Second)
		expect("end room/2[2]")
		put("room/2", 7)
		expect("begin room/2[7]")
		enough := errors.New("enough")
		cancel(enough)
		time.Sleep(time.Millisecond)
		select {
		case <-done:
			t.Error("it returns while calls run")
		default:
		}
		if err := <-done; !errors.Is(err, enough) {
			t.Error(err)
		}
		expect("end room/1[6]", "end room/2[7]")
	})
}

// TestEachBroadcastEnds with the announcements.
func TestEachBroadcastEnds(t *testing.T) {
	lost := &api.SessionError{Code: api.SessionInternal}
	for _, end := range []error{nil, lost} {
		t.Run(fmt.Sprint(end), func(t *testing.T) {
			s := mocks.NewMockSubscriber(gomock.NewController(t))
			s.EXPECT().Announcements(gomock.Any(), "").Return(apitest.EndedAnnouncements(end, apitest.Active("a"), apitest.Complete()), nil)
			var cause error
			began := false
			err := api.EachBroadcast(t.Context(), s, "", func(ctx context.Context, _ api.Announcement) {
				<-ctx.Done()
				began, cause = true, context.Cause(ctx)
			})
			if !errors.Is(err, end) || (end == nil) != (err == nil) {
				t.Errorf("it returns %v", err)
			}
			if want := cmpOr(end, context.Canceled); began && !errors.Is(cause, want) {
				t.Errorf("the cause of a call's end is %v, want %v", cause, want)
			}
		})
	}
	s := mocks.NewMockSubscriber(gomock.NewController(t))
	s.EXPECT().Announcements(gomock.Any(), "").Return(nil, lost)
	if err := api.EachBroadcast(t.Context(), s, "", nil); !errors.Is(err, api.ErrSessionClosed) {
		t.Error(err)
	}
}

// cmpOr returns err, or other if that is nil.
func cmpOr(err, other error) error {
	if err == nil {
		return other
	}
	return err
}
