package redial_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
)

// TestSilentPeer is noticed, over a transport that notices nothing by itself:
// the peer is asked for a sign of life after a while, and the session ended if
// it does not answer.
func TestSilentPeer(t *testing.T) {
	for _, c := range []struct {
		name      string
		keepAlive time.Duration
		noticed   time.Duration
	}{
		{"by default", 0, 13 * time.Second},
		{"soon", time.Second, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{MaxLatency: time.Hour}, live.Limits{})
				policy := quick()
				policy.KeepAlive = c.keepAlive
				server, n, s := single(t, cam.mux, v, policy)
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				in := read(t, subscribe(t, s, nil))
				time.Sleep(5 * time.Second)
				first := n.session(0)
				server.Freeze()
				began := time.Now()
				<-first.Context().Done()
				if took := time.Since(began); took < c.noticed*9/10 || took > c.noticed*3/2 {
					t.Errorf("noticed after %v, want %v", took, c.noticed)
				}
				err := context.Cause(first.Context())
				ended, ok := errors.AsType[*api.SessionError](err)
				if !ok || ended.Code != api.SessionControlTimeout || ended.Remote {
					t.Errorf("the silent session ended with %v", err)
				}
				server.Thaw()
				time.Sleep(5 * time.Second)
				cam.stop()
				in.awaitEnd(t)
				in.check(t)
			})
		})
	}
}

// TestNeverAsked: with a negative KeepAlive, the peer is not asked.
func TestNeverAsked(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		policy := quick()
		policy.KeepAlive = -1
		server, n, s := single(t, api.NewTrackMux(), v, policy)
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		server.Freeze()
		time.Sleep(time.Hour)
		if ports := n.ports(); len(ports) != 1 {
			t.Errorf("dialled %v", ports)
		}
	})
}

// TestIdlePeer: a session on which nothing happens for an hour stays.
func TestIdlePeer(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server := newNode(api.NewTrackMux(), nil, 2*time.Second)
		defer server.Close()
		n := newNetwork()
		n.add("1", server, v)
		s := dial(t, n, address("1"), redial.Policy{}, nil)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Hour)
		if ports := n.ports(); len(ports) != 1 {
			t.Errorf("dialled %v", ports)
		}
	})
}

// TestBlackout cuts a simulated network: there is a new session when the
// network is back. Idle sessions before and after stay.
func TestBlackout(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{MaxLatency: time.Hour}, live.Limits{Age: time.Hour})
		server := moqtest.NewUnstartedServer(cam.mux)
		server.Link = &moqtest.Link{Delay: 20 * time.Millisecond, Seed: 1}
		server.Start()
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}, Hop: readerHop}
		var events recorder
		s := dial(t, client, server.URL, redial.Policy{Trace: events.trace()}, nil)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(5 * time.Minute)
		in := read(t, subscribe(t, s, nil))
		time.Sleep(5 * time.Second)
		server.Link.SetLoss(1)
		time.Sleep(40 * time.Second)
		if n := events.count("lost"); n != 1 {
			t.Errorf("lost %d times in 40 seconds of blackout", n)
		}
		server.Link.SetLoss(0)
		time.Sleep(time.Minute)
		cam.stop()
		time.Sleep(5 * time.Minute)
		in.awaitEnd(t)
		if v != api.Lite03 {
			in.check(t)
		}
		if connected, lost := events.count("connected"), events.count("lost"); connected != 2 || lost != 1 {
			t.Errorf("connected %d times, lost %d", connected, lost)
		}
	})
}

// TestKeepAliveOfMocks: sessions that count no bytes are asked, and those that
// receive something are not.
func TestKeepAliveOfMocks(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  func(since time.Duration) uint64
		answer func(ctx context.Context) error // nil must not be asked
		ends   bool
	}{
		{"answers", func(time.Duration) uint64 { return 0 }, func(context.Context) error { return api.ErrNotFound }, false},
		{"does not answer", func(time.Duration) uint64 { return 0 }, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true},
		{"answers late", func(time.Duration) uint64 { return 0 }, func(ctx context.Context) error {
			select {
			case <-time.After(9 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, false},
		{"is heard", func(since time.Duration) uint64 { return uint64(since / (2 * time.Second)) }, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ctrl := gomock.NewController(t)
				under := mocks.NewMockSession(ctrl)
				ctx, cancel := context.WithCancelCause(t.Context())
				began := time.Now()
				under.EXPECT().Context().Return(ctx).AnyTimes()
				under.EXPECT().GoneAway().Return(nil).AnyTimes()
				under.EXPECT().State().Return(api.SessionState{}).AnyTimes()
				under.EXPECT().Stats().DoAndReturn(func() api.SessionStats {
					return api.SessionStats{BytesReceived: c.bytes(time.Since(began))}
				}).AnyTimes()
				if c.answer != nil {
					under.EXPECT().TrackInfo(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(
						func(ctx context.Context, _ api.BroadcastPath, _ api.TrackName) (api.TrackInfo, error) {
							return api.TrackInfo{}, c.answer(ctx)
						}).MinTimes(1)
				}
				under.EXPECT().Terminate(gomock.Any(), gomock.Any()).DoAndReturn(func(code api.SessionErrorCode, _ string) error {
					cancel(&api.SessionError{Code: code})
					return nil
				}).MinTimes(1)
				d := mocks.NewMockDialer(ctrl)
				d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(under, nil)
				if c.ends {
					next, _ := standing(ctrl)
					d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(next, nil)
				}
				s := dial(t, d, "moqt://host", redial.Policy{}, nil)
				time.Sleep(5 * time.Minute)
				if ended := ctx.Err() != nil; ended != c.ends {
					t.Errorf("the session ended: %v", context.Cause(ctx))
				}
				_ = s.Terminate(api.SessionNoError, "")
			})
		})
	}
}

// TestAskedAgain: a peer that is silent is asked once more if there is no answer soon,
// and any answer will do. Nothing is left of the questions.
func TestAskedAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers int // the question that is answered; 0: none
		ended   time.Duration
	}{
		{"the third is answered", 3, 0},
		{"none is answered", 0, 13 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := mocks.NewMockSession(gomock.NewController(t))
				life, end := context.WithCancel(t.Context())
				var asked atomic.Int64
				s.EXPECT().Context().Return(life).AnyTimes()
				s.EXPECT().Stats().Return(api.SessionStats{}).AnyTimes()
				s.EXPECT().TrackInfo(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(
					func(ctx context.Context, _ api.BroadcastPath, _ api.TrackName) (api.TrackInfo, error) {
						if n := asked.Add(1); c.answers > 0 && n >= int64(c.answers) {
							return api.TrackInfo{}, api.ErrNotFound
						}
						<-ctx.Done()
						return api.TrackInfo{}, ctx.Err()
					}).AnyTimes()
				s.EXPECT().Terminate(api.SessionControlTimeout, gomock.Any()).DoAndReturn(func(api.SessionErrorCode, string) error {
					end()
					return nil
				}).MaxTimes(1)
				began := time.Now()
				go redial.KeepAlive(s, 3*time.Second, 10*time.Second)
				time.Sleep(12 * time.Second)
				if n := asked.Load(); n < 5 || n > 20 || life.Err() != nil {
					t.Errorf("asked %d times in the first twelve seconds; %v", n, life.Err())
				}
				if c.ended > 0 {
					<-life.Done()
					if took := time.Since(began); took < c.ended || took > c.ended+time.Second {
						t.Errorf("ended after %v", took)
					}
				}
				end()
			})
		})
	}
}
