package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/mocks"
	"go.uber.org/mock/gomock"

	"example.com/consumer/recorder"
)

const url = "https://relay.example.com/live"

// log is a sink that writes down what it is given.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) Frame(path api.BroadcastPath, group api.GroupSequence, f api.Frame) {
	l.add(fmt.Sprintf("%s %d %s", path, group, f.Payload))
}

func (l *log) Lost(path api.BroadcastPath, group api.GroupSequence, err error) {
	l.add(fmt.Sprintf("%s %d lost: %v", path, group, err))
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *log) expect(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lines, want) {
		t.Errorf("recorded\n\t%s\nwant\n\t%s", strings.Join(l.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// a fixture is a recorder on a mocked client.
type fixture struct {
	*testing.T
	ctrl   *gomock.Controller
	client *mocks.MockClient
	log    *log
	rec    *recorder.Recorder
}

func inBubble(t *testing.T, f func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		client, log := mocks.NewMockClient(ctrl), new(log)
		f(&fixture{t, ctrl, client, log, recorder.New(client, log, url, "data")})
	})
}

// session is a session with announcements; asked is asked for the rest.
func (f *fixture) session(told ...api.Announcement) (s *apitest.QuietSession, asked *mocks.MockSubscriber) {
	asked = mocks.NewMockSubscriber(f.ctrl)
	return apitest.Session(asked, told...), asked
}

func (f *fixture) dials(s api.Session, err error) *mocks.MockClientDialCall {
	return f.client.EXPECT().Dial(gomock.Any(), url, gomock.Any()).Return(s, err)
}

// run runs the recorder until ctx ends.
func (f *fixture) run(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.rec.Run(ctx) }()
	return done
}

func TestRecordsWhatIsAnnounced(t *testing.T) {
	inBubble(t, func(f *fixture) {
		s, asked := f.session(apitest.Active("room/1"))
		f.dials(s, nil)
		asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/1"), api.TrackName("data"), gomock.Any()).
			Return(apitest.Track(api.TrackInfo{}, nil,
				apitest.Group(4, nil, apitest.Frames("a", "b")...),
				apitest.Group(5, nil, apitest.Frames("c")...),
			), nil)
		ctx, cancel := context.WithCancel(f.Context())
		done := f.run(ctx)
		synctest.Wait()
		f.log.expect(f.T, "room/1 4 a", "room/1 4 b", "room/1 5 c")
		cancel()
		_ = s.Close()
		if err := <-done; !errors.Is(err, context.Canceled) {
			f.Errorf("Run: %v", err)
		}
	})
}

func TestGroupResetHalfWay(t *testing.T) {
	inBubble(t, func(f *fixture) {
		s, asked := f.session(apitest.Active("room/1"))
		f.dials(s, nil)
		reset := &api.StreamError{Code: api.StreamOld, Remote: true}
		asked.EXPECT().Subscribe(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).
			Return(apitest.Track(api.TrackInfo{}, nil,
				apitest.Group(0, reset, apitest.Frames("a")...),
				apitest.Group(1, nil, apitest.Frames("b")...),
			), nil)
		ctx, cancel := context.WithCancel(f.Context())
		done := f.run(ctx)
		synctest.Wait()
		f.log.expect(f.T, "room/1 0 a", "room/1 0 lost: reset by the peer: too old", "room/1 1 b")
		cancel()
		_ = s.Close()
		<-done
	})
}

func TestStopsWhatIsWithdrawn(t *testing.T) {
	inBubble(t, func(f *fixture) {
		s, asked := f.session()
		f.dials(s, nil)
		left := make(chan struct{})
		asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/1"), gomock.Any(), gomock.Any()).
			DoAndReturn(func(ctx context.Context, _ api.BroadcastPath, _ api.TrackName, _ *api.SubscribeConfig) (api.TrackReader, error) {
				track := mocks.NewMockTrackReader(f.ctrl)
				track.EXPECT().AcceptGroup(gomock.Any()).DoAndReturn(func(ctx context.Context) (api.GroupReader, error) {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				})
				track.EXPECT().Close().DoAndReturn(func() error { close(left); return nil })
				return track, nil
			})
		ctx, cancel := context.WithCancel(f.Context())
		done := f.run(ctx)
		s.Announced.Put(apitest.Active("room/1"))
		synctest.Wait()
		s.Announced.Remove("room/1")
		<-left
		cancel()
		_ = s.Close()
		<-done
	})
}

func TestDialErrors(t *testing.T) {
	for _, test := range []struct {
		phase api.Phase
		err   error
		again bool
	}{
		{api.PhaseResolve, errors.New("no such host"), true},
		{api.PhaseConnect, errors.New("nothing listens"), true},
		{api.PhaseTLS, errors.New("certificate not trusted"), false},
		{api.PhaseUpgrade, api.ErrUnauthorized, false},
		{api.PhaseNegotiate, api.ErrUnsupportedVersion, false},
		{api.PhaseSetup, &api.SessionError{Code: api.SessionUnauthorized, Remote: true}, false},
		{api.PhaseResolve, api.ErrUnsupportedScheme, false},
	} {
		t.Run(string(test.phase)+" "+test.err.Error(), func(t *testing.T) {
			inBubble(t, func(f *fixture) {
				failed := &api.DialError{URL: url, Phase: test.phase, Err: test.err}
				call := f.dials(nil, failed)
				if test.again {
					call.Times(3) // at once, after 1 and after 2 seconds more
				}
				ctx, cancel := context.WithTimeout(f.Context(), 4*time.Second)
				defer cancel()
				err := f.rec.Run(ctx)
				if test.again != errors.Is(err, context.DeadlineExceeded) {
					f.Errorf("Run: %v", err)
				}
				if !test.again && !errors.Is(err, test.err) {
					f.Errorf("Run: %v, want %v", err, test.err)
				}
			})
		})
	}
}

func TestCancelledDial(t *testing.T) {
	inBubble(t, func(f *fixture) {
		f.client.EXPECT().Dial(gomock.Any(), url, gomock.Any()).
			DoAndReturn(func(ctx context.Context, _ string, _ *api.TrackMux) (api.Session, error) {
				<-ctx.Done()
				return nil, &api.DialError{URL: url, Phase: api.PhaseConnect, Err: context.Cause(ctx)}
			})
		ctx, cancel := context.WithCancel(f.Context())
		done := f.run(ctx)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			f.Errorf("Run: %v", err)
		}
	})
}

func TestDialsAgainAfterALostSession(t *testing.T) {
	inBubble(t, func(f *fixture) {
		first, _ := f.session()
		second, asked := f.session(apitest.Active("room/1"))
		gomock.InOrder(f.dials(first, nil), f.dials(second, nil))
		asked.EXPECT().Subscribe(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).
			Return(apitest.Track(api.TrackInfo{}, nil, apitest.Group(9, nil, apitest.Frames("again")...)), nil)
		ctx, cancel := context.WithCancel(f.Context())
		done := f.run(ctx)
		synctest.Wait()
		first.End(&api.SessionError{Code: api.SessionInternal, Err: errors.New("idle timeout")})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.log.expect(f.T, "room/1 9 again")
		cancel()
		_ = second.Close()
		<-done
	})
}

func TestStop(t *testing.T) {
	t.Run("in order", func(t *testing.T) {
		inBubble(t, func(f *fixture) {
			f.client.EXPECT().Shutdown(gomock.Any()).Return(nil)
			if err := f.rec.Stop(f.Context()); err != nil {
				f.Error(err)
			}
		})
	})
	t.Run("past its deadline", func(t *testing.T) {
		inBubble(t, func(f *fixture) {
			gomock.InOrder(
				f.client.EXPECT().Shutdown(gomock.Any()).DoAndReturn(func(ctx context.Context) error {
					<-ctx.Done()
					return fmt.Errorf("shutdown: %w: cut 1 session", context.Cause(ctx))
				}),
				f.client.EXPECT().Close().Return(nil),
			)
			ctx, cancel := context.WithTimeout(f.Context(), time.Second)
			defer cancel()
			if err := f.rec.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				f.Errorf("Stop: %v", err)
			}
		})
	})
	t.Run("close while a dial is in flight", func(t *testing.T) {
		inBubble(t, func(f *fixture) {
			closed := make(chan struct{})
			f.client.EXPECT().Dial(gomock.Any(), url, gomock.Any()).
				DoAndReturn(func(context.Context, string, *api.TrackMux) (api.Session, error) {
					<-closed
					return nil, api.ErrClientClosed
				})
			f.client.EXPECT().Shutdown(gomock.Any()).Return(context.DeadlineExceeded)
			f.client.EXPECT().Close().DoAndReturn(func() error { close(closed); return nil })
			done := f.run(f.Context())
			synctest.Wait()
			_ = f.rec.Stop(f.Context())
			if err := <-done; !errors.Is(err, api.ErrClientClosed) {
				f.Errorf("Run: %v", err)
			}
		})
	})
}
