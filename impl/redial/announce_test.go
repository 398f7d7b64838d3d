package redial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
)

// A listener records announcements, as texts.
type listener struct {
	mu   sync.Mutex
	told []string
	done chan struct{} // closed at the end
	err  error         // after done
}

// listen records announcements in the background, to their end.
func listen(t *testing.T, s api.Session, prefix string) (*listener, api.AnnouncementReader) {
	t.Helper()
	r, err := s.Announcements(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for {
			a, err := r.Receive(t.Context())
			if err != nil {
				l.err = err
				return
			}
			l.mu.Lock()
			l.told = append(l.told, fmt.Sprint(a.Status, " ", a.Path))
			l.mu.Unlock()
		}
	}()
	return l, r
}

// take returns what was announced since the last call.
func (l *listener) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	return told
}

// publish publishes at paths until the returned functions are called.
func publish(t *testing.T, mux *api.TrackMux, paths ...api.BroadcastPath) (stop map[api.BroadcastPath]context.CancelFunc) {
	t.Helper()
	stop = make(map[api.BroadcastPath]context.CancelFunc)
	for _, path := range paths {
		ctx, cancel := context.WithCancel(t.Context())
		stop[path] = cancel
		if err := mux.Publish(ctx, path, new(asked)); err != nil {
			t.Fatal(err)
		}
	}
	return stop
}

// TestAnnouncementsTellDifferences: the loss of a session is not reported, only
// what the next one announces differently.
func TestAnnouncementsTellDifferences(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		stop := publish(t, mux, "room/a", "room/b", "room/c", "hall")
		server, n, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		l, _ := listen(t, s, "room")
		time.Sleep(time.Second)
		if told, want := l.take(), []string{"active room/a", "active room/b", "active room/c", "complete "}; !slices.Equal(told, want) {
			t.Fatalf("told %q, want %q", told, want)
		}
		lose(n, server, time.Minute)
		if told := l.take(); told != nil {
			t.Errorf("told %q without a session", told)
		}
		stop["room/b"]()
		publish(t, mux, "room/d")
		time.Sleep(5 * time.Second)
		want := []string{"active room/d", "ended room/b"}
		if v == api.Lite03 { // of which nobody knows whether it is the same
			want = []string{
				"ended room/a", "active room/a", "ended room/c", "active room/c", "active room/d", "ended room/b",
			}
		}
		if told := l.take(); !slices.Equal(told, want) {
			t.Errorf("told %q of the next session, want %q", told, want)
		}
		stop["room/c"]()
		time.Sleep(time.Second)
		if told := l.take(); !slices.Equal(told, []string{"ended room/c"}) {
			t.Errorf("told %q later", told)
		}
		server.Sever()
		time.Sleep(5 * time.Second)
		if told := l.take(); v != api.Lite03 && told != nil {
			t.Errorf("told %q where nothing has changed", told)
		}
	})
}

// TestAnnouncementsOfAnother: another origin at the same path is reported.
func TestAnnouncementsOfAnother(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		muxes := []*api.TrackMux{api.NewTrackMux(), api.NewTrackMux()}
		for _, mux := range muxes {
			publish(t, mux, "room")
		}
		first, n, s := single(t, muxes[0], v, quick())
		defer first.Close()
		defer s.Terminate(api.SessionNoError, "")
		second := newNode(muxes[1], nil, 0)
		defer second.Close()
		l, _ := listen(t, s, "")
		time.Sleep(time.Second)
		l.take()
		n.add("1", second, v)
		first.Sever()
		time.Sleep(5 * time.Second)
		if told, want := l.take(), []string{"ended room", "active room"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// TestAnnouncementsMove to another relay that has the same broadcast of the
// same origin: only the route is another.
func TestAnnouncementsMove(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		r := newTwoRelays(t, v, api.TrackInfo{}, 0)
		l, _ := listen(t, r.session, "")
		time.Sleep(time.Second)
		l.take()
		r.first.goAway(t, address("2"))
		time.Sleep(5 * time.Second)
		if told, want := l.take(), []string{"updated room"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		r.camera.stop()
	}, withOrigins...)
}

// TestPublicationIsMadeAnew after a session was lost: subscribers get it from
// the next one, and the numbers go on.
func TestPublicationIsMadeAnew(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		server := startRelay(0)
		defer server.Close()
		n := newNetwork()
		n.hop = cameraHop
		n.add("1", server, v)
		publisher := dial(t, n, address("1"), quick(), cam.mux)
		defer publisher.Terminate(api.SessionNoError, "")
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}}
		reader, err := client.Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		l, _ := listen(t, reader, "")
		time.Sleep(time.Second)
		newest := &api.SubscribeConfig{StartGroup: api.GroupLatest}
		before, err := subscribe(t, reader, newest).AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.take()
		_ = n.session(0).Terminate(api.SessionInternal, "")
		time.Sleep(2 * time.Second)
		var want []string // a relay holds the withdrawal for a while
		if v == api.Lite03 {
			want = []string{"ended room", "active room"} // it might be another one
		}
		if told := l.take(); !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		after, err := subscribe(t, reader, newest).AcceptGroup(t.Context())
		if err != nil || after.Sequence() < before.Sequence()+10 {
			t.Errorf("group %v, %v came after %d", after, err, before.Sequence())
		}
		cam.stop()
	})
}

// TestAnnouncementsEnd by Close, with or without a session beneath, and with
// the Session.
func TestAnnouncementsEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s api.Session, r api.AnnouncementReader)
		want error
	}{
		{"close", func(_ api.Session, r api.AnnouncementReader) { _, _ = r.Close(), r.Close() }, api.ErrClosed},
		{"terminate", func(s api.Session, _ api.AnnouncementReader) { _ = s.Terminate(api.SessionNoError, "") }, api.ErrSessionClosed},
	} {
		for _, connected := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, connected %v", c.name, connected), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					mux := api.NewTrackMux()
					publish(t, mux, "room")
					server, n, s := single(t, mux, api.Lite06, quick())
					defer server.Close()
					defer s.Terminate(api.SessionNoError, "")
					l, r := listen(t, s, "")
					time.Sleep(time.Second)
					if !connected {
						n.fail(errUnreachable)
						server.Sever()
						time.Sleep(time.Second)
					}
					c.end(s, r)
					<-l.done
					if !errors.Is(l.err, c.want) {
						t.Errorf("ended with %v", l.err)
					}
				})
			})
		}
	}
}

// A script makes a reader, in the bubble of the test.
type script func() api.AnnouncementReader

// told is a script of announcements and then err; if that is nil, nothing
// follows.
func told(err error, list ...api.Announcement) script {
	return func() api.AnnouncementReader { return newSet(err, list).Reader("") }
}

func newSet(err error, list []api.Announcement) *api.AnnouncementSet {
	set := new(api.AnnouncementSet)
	complete := false
	for _, a := range list {
		if a.Status == api.AnnouncementsComplete {
			complete = true
			continue
		}
		set.Put(a)
	}
	if complete {
		set.Complete()
	}
	if err != nil {
		set.End(err)
	}
	return set
}

// announcing returns a session that answers with readers, or errors, in turn.
func announcing(ctrl *gomock.Controller, answers ...any) (*mocks.MockSession, func(*api.SessionError)) {
	s, end := standing(ctrl)
	var calls []any
	for _, answer := range answers {
		call := s.EXPECT().Announcements(gomock.Any(), "")
		switch answer := answer.(type) {
		case error:
			call.Return(nil, answer)
		case script:
			call.Return(answer(), nil)
		}
		calls = append(calls, call.Call)
	}
	gomock.InOrder(calls...)
	return s, end
}

var complete = api.Announcement{Status: api.AnnouncementsComplete}

func active(path api.BroadcastPath, hops ...api.Hop) api.Announcement {
	return api.Announcement{Path: path, Status: api.AnnouncementActive, Hops: hops}
}

// TestAnnouncementsOfStrangePeers refuse at first, never say that their set is
// complete, or end it.
func TestAnnouncementsOfStrangePeers(t *testing.T) {
	refused := &api.StreamError{Code: api.StreamNoCapacity, Remote: true}
	forbidden := &api.StreamError{Code: api.StreamUnauthorized, Remote: true}
	for _, c := range []struct {
		name    string
		answers []any // of the second session
		want    []string
		err     error
	}{
		{"refuses at first", []any{refused, refused, told(nil, active("a", 1), active("c", 1), complete)},
			[]string{"active c", "ended b"}, nil},
		{"refuses for good", []any{refused, forbidden}, nil, forbidden},
		{"is never complete", []any{told(nil, active("b", 1), active("c", 1))},
			[]string{"active c", "ended a"}, nil},
		{"is complete and ends", []any{told(io.EOF, active("a", 1), complete)}, []string{"ended b"}, io.EOF},
		{"ends without a word", []any{told(io.EOF)}, nil, io.EOF},
		{"has another hop", []any{told(nil, active("a", 2), active("b", 1, 2), complete)},
			[]string{"ended a", "active a", "updated b"}, nil},
		{"does not know the hop", []any{told(nil, active("a"), active("b", 1), complete)},
			[]string{"ended a", "active a"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ctrl := gomock.NewController(t)
				first, end := announcing(ctrl, told(nil, active("a", 1), active("b", 1), complete))
				second, _ := announcing(ctrl, c.answers...)
				d := mocks.NewMockDialer(ctrl)
				gomock.InOrder(
					d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(first, nil),
					d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(second, nil),
				)
				s := dial(t, d, "moqt://host", redial.Policy{}, nil)
				l, _ := listen(t, s, "")
				synctest.Wait()
				if got, want := l.take(), []string{"active a", "active b", "complete "}; !slices.Equal(got, want) {
					t.Fatalf("told %q, want %q", got, want)
				}
				end(lost())
				time.Sleep(time.Minute)
				if got := l.take(); !slices.Equal(got, c.want) {
					t.Errorf("told %q, want %q", got, c.want)
				}
				select {
				case <-l.done:
					if c.err == nil || !errors.Is(l.err, c.err) {
						t.Errorf("ended with %v, want %v", l.err, c.err)
					}
				default:
					if c.err != nil {
						t.Errorf("goes on, want %v", c.err)
					}
				}
				_ = s.Terminate(api.SessionNoError, "")
				<-l.done
			})
		})
	}
}

// TestAnotherPublisherIsToldAtOnce: the next session announces another
// publisher of a path before its set is complete, and then a third one, which
// serves new requests from then on.
func TestAnotherPublisherIsToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		first, end := announcing(ctrl, told(nil, active("a", 1), complete))
		var set api.AnnouncementSet
		set.Put(active("a", 2))
		second, _ := announcing(ctrl, script(func() api.AnnouncementReader { return set.Reader("") }))
		d := mocks.NewMockDialer(ctrl)
		gomock.InOrder(
			d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(first, nil),
			d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(
				func(context.Context, string, *api.TrackMux) (api.Session, error) { return second, nil }),
		)
		s := dial(t, d, "moqt://host", quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		l, _ := listen(t, s, "")
		synctest.Wait()
		_ = l.take()
		end(lost())
		time.Sleep(3 * time.Second)
		if got, want := l.take(), []string{"ended a", "active a"}; !slices.Equal(got, want) {
			t.Errorf("told %q of an incomplete set, want %q", got, want)
		}
		set.Remove("a")
		set.Put(active("a", 3))
		time.Sleep(time.Millisecond)
		if got, want := l.take(), []string{"ended a", "active a"}; !slices.Equal(got, want) {
			t.Errorf("told %q at once of the third, want %q", got, want)
		}
	})
}

// TestEndOfSetBeforeTheEnd: a peer ends its set just before it is gone.
func TestEndOfSetBeforeTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		first, end := announcing(ctrl, told(io.EOF, active("a", 1)))
		second, _ := announcing(ctrl, told(nil, active("b", 1), complete))
		d := mocks.NewMockDialer(ctrl)
		gomock.InOrder(
			d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(first, nil),
			d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(second, nil),
		)
		s := dial(t, d, "moqt://host", redial.Policy{}, nil)
		defer s.Terminate(api.SessionNoError, "")
		l, _ := listen(t, s, "")
		time.Sleep(200 * time.Millisecond)
		end(lost())
		time.Sleep(time.Minute)
		if got, want := l.take(), []string{"active a", "active b", "ended a", "complete "}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}
