package media_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/mocks"
)

const (
	path = api.BroadcastPath("room/cam.hang")

	one   = `{"video":{"renditions":{"v":{"codec":"vp8"}}}}`
	two   = `{"video":{"renditions":{"v":{"codec":"vp8"},"w":{"codec":"vp8"}}}}`
	three = `{"video":{"renditions":{"x":{"codec":"vp8"}}}}`
	none  = `{"video":{"renditions":{}},"audio":{"renditions":{}}}`
)

// A scriptedTrack has the groups and errors that the test sends it.
type scriptedTrack struct {
	api.TrackReader
	accepts chan any // an api.GroupReader or an error
	closed  chan struct{}
}

func newScriptedTrack() *scriptedTrack {
	return &scriptedTrack{accepts: make(chan any), closed: make(chan struct{})}
}

func (t *scriptedTrack) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	select {
	case v := <-t.accepts:
		if g, ok := v.(api.GroupReader); ok {
			return g, nil
		}
		return nil, v.(error)
	case <-t.closed:
		return nil, api.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (t *scriptedTrack) Close() error { close(t.closed); return nil }

// A slowGroup is a group whose frames the test sends, which never ends by itself.
type slowGroup struct {
	api.GroupReader
	seq       api.GroupSequence
	first     uint64
	frames    chan string
	broken    chan error
	once      sync.Once
	cancelled chan struct{}
}

func newSlowGroup(seq api.GroupSequence, first uint64) *slowGroup {
	return &slowGroup{seq: seq, first: first, frames: make(chan string), broken: make(chan error), cancelled: make(chan struct{})}
}

func (g *slowGroup) Sequence() api.GroupSequence { return g.seq }
func (g *slowGroup) FirstFrame() uint64          { return g.first }

func (g *slowGroup) ReadFrame(f *api.Frame) error {
	select {
	case text := <-g.frames:
		f.Payload = append(f.Payload[:0], text...)
		return nil
	case err := <-g.broken:
		return err
	case <-g.cancelled:
		return api.ErrClosed
	}
}

func (g *slowGroup) Cancel(api.StreamErrorCode) { g.once.Do(func() { close(g.cancelled) }) }

// follow runs test in a bubble with a track, while the catalogs of a broadcast,
// which is the track's, are followed. got returns what was yielded since the last
// call, once nothing moves: the names of the renditions, or an error.
func follow(t *testing.T, path api.BroadcastPath, name api.TrackName, test func(track *scriptedTrack, got func() string, cancel func(error))) {
	synctest.Test(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		asked, track := mocks.NewMockSubscriber(ctrl), newScriptedTrack()
		asked.EXPECT().Subscribe(gomock.Any(), path, name, gomock.Any()).Return(track, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		yielded, done := make(chan string, 100), make(chan struct{})
		go func() {
			defer close(done)
			for c, err := range media.Catalogs(ctx, apitest.Session(asked, apitest.Active(path)), path) {
				if err != nil {
					yielded <- err.Error()
					continue
				}
				for name := range c.Video.Renditions {
					yielded <- string(name)
				}
			}
			yielded <- "end"
		}()
		test(track, func() string {
			synctest.Wait()
			var all []string
			for len(yielded) > 0 {
				all = append(all, <-yielded)
			}
			return strings.Join(all, " ")
		}, cancel)
		cancel(nil)
		<-done
		<-track.closed
	})
}

func group(seq api.GroupSequence, frames ...string) api.GroupReader {
	return apitest.Group(seq, nil, apitest.Frames(frames...)...)
}

// expect fails the test if got does not return want.
func expect(t *testing.T, got func() string, want string) {
	t.Helper()
	if s := got(); s != want {
		t.Errorf("%q was yielded, and should be %q", s, want)
	}
}

func TestCatalogs(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, _ func(error)) {
		expect(t, got, "")
		track.accepts <- group(0, "{}")
		track.accepts <- group(1, none)
		expect(t, got, "")
		track.accepts <- group(2, one)
		expect(t, got, "v")
		track.accepts <- group(3, one) // nothing new
		expect(t, got, "")
		track.accepts <- group(5, three)
		expect(t, got, "x")
		track.accepts <- group(4, one) // late
		expect(t, got, "")
		track.accepts <- io.EOF
		expect(t, got, "end")
	})
}

func TestCatalogsOfMSF(t *testing.T) {
	follow(t, "room/cam.msf", "catalog", func(track *scriptedTrack, got func() string, _ func(error)) {
		track.accepts <- group(0, `{"version":"draft-01","tracks":[{"name":"m","packaging":"loc","role":"video","codec":"vp8"}]}`)
		expect(t, got, "m")
	})
}

// TestCatalogsWithPatches reads a group that stays open, and then a newer one.
func TestCatalogsWithPatches(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, _ func(error)) {
		open := newSlowGroup(7, 0)
		track.accepts <- open
		open.frames <- one
		expect(t, got, "v")
		open.frames <- `{"video":{"renditions":{"v":null,"w":{"codec":"vp8","label":null}}}}`
		expect(t, got, "w")
		track.accepts <- group(8, three)
		expect(t, got, "x")
		<-open.cancelled
	})
}

// TestCatalogsOfOlderGroup has a newer group come before the older one has been
// read, and fail or be late.
func TestCatalogsOfOlderGroup(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, _ func(error)) {
		older, failing, newest := newSlowGroup(1, 0), newSlowGroup(2, 0), newSlowGroup(3, 0)
		track.accepts <- older
		track.accepts <- failing
		failing.broken <- &api.StreamError{Code: api.StreamCancelled, Remote: true}
		older.frames <- one
		expect(t, got, "v")
		track.accepts <- group(4, "")
		expect(t, got, "bad catalog: a document of 0 bytes is not JSON: unexpected end of JSON input")
		track.accepts <- newest // too late
		<-newest.cancelled
		<-older.cancelled
		late := newSlowGroup(5, 0)
		track.accepts <- late
		late.frames <- three
		expect(t, got, "x")
	})
}

// TestCatalogsGoOn reads what cannot be read, and then what can.
func TestCatalogsGoOn(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, _ func(error)) {
		track.accepts <- group(0, "?")
		expect(t, got, "bad catalog: a document of 1 bytes is not JSON: invalid character '?' looking for beginning of value")
		track.accepts <- group(1, `{"video":{"renditions":{"v":{}}}}`)
		expect(t, got, "bad catalog: no track of it can be read: bad catalog: video rendition \"v\": codec is wanted\nbad catalog: video rendition \"v\": it is left out")
		track.accepts <- group(2, one, "{", two)
		expect(t, got, `v catalog of "room/cam.hang": bad catalog: frame 1 of group 2: patch: it is not JSON`)
		track.accepts <- apitest.Group(3, api.ErrFrameTooLarge)
		expect(t, got, `catalog of "room/cam.hang": bad catalog: frame 0 of group 3: frame too large`)
		track.accepts <- group(4, strings.Repeat(" ", 5<<20))
		expect(t, got, `catalog of "room/cam.hang": bad catalog: frame 0 of group 4: it has grown to 5242880 bytes: at most 4194304 are read`)
		track.accepts <- group(5, one)
		expect(t, got, "v")
	})
}

// TestCatalogsOfLastingSession goes on after a restart, and with a group that
// broke off with a connection.
func TestCatalogsOfLastingSession(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, _ func(error)) {
		open := newSlowGroup(7, 0)
		track.accepts <- open
		open.frames <- one
		expect(t, got, "v")
		open.broken <- &api.SessionError{Code: api.SessionInternal}
		again := newSlowGroup(7, 1)
		track.accepts <- again
		again.frames <- `{"video":{"renditions":{"v":null,"w":{"codec":"vp8"}}}}`
		expect(t, got, "w")
		again.broken <- &api.SessionError{Code: api.SessionInternal}
		track.accepts <- newSlowGroup(7, 5) // it has lost what was before
		expect(t, got, "")
		restart := &api.RestartError{Err: errors.New("cut")}
		track.accepts <- restart
		track.accepts <- group(0, three)
		expect(t, got, fmt.Sprintf("catalog of %q: %v x", path, restart))
		track.accepts <- &api.SessionError{Code: api.SessionInternal}
		expect(t, got, fmt.Sprintf("catalog of %q: %v end", path, &api.SessionError{Code: api.SessionInternal}))
	})
}

// TestCatalogsReadToTheEnd has a track end while its last group is still read.
func TestCatalogsReadToTheEnd(t *testing.T) {
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, cancel func(error)) {
		open := newSlowGroup(7, 0)
		track.accepts <- open
		track.accepts <- io.EOF
		expect(t, got, "")
		open.frames <- one
		expect(t, got, "v")
		cancel(errors.New("enough"))
		expect(t, got, "end") // the track had ended
	})
	follow(t, path, "catalog.json", func(track *scriptedTrack, got func() string, cancel func(error)) {
		expect(t, got, "")
		cancel(errors.New("enough"))
		expect(t, got, `catalog of "room/cam.hang": enough end`)
	})
}

// TestCatalogsOfSlowReader has the newest of what has come meanwhile.
func TestCatalogsOfSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		asked, track := mocks.NewMockSubscriber(ctrl), newScriptedTrack()
		asked.EXPECT().Subscribe(gomock.Any(), path, api.TrackName("catalog.json"), gomock.Any()).Return(track, nil)
		go func() { track.accepts <- group(0, one) }()
		seen := 0
		for c, err := range media.Catalogs(t.Context(), apitest.Session(asked, apitest.Active(path)), path) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == 2 {
				if _, newest := c.Video.Renditions["x"]; !newest {
					t.Errorf("%+v was yielded", c)
				}
				break
			}
			track.accepts <- group(1, two)
			track.accepts <- group(2, three)
			synctest.Wait()
		}
		<-track.closed
	})
}

// TestCatalogsWait waits until the broadcast is announced, and no longer than ctx.
func TestCatalogsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		for c, err := range media.Catalogs(ctx, apitest.Session(nil), path) {
			if n++; c != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", c, err)
			}
		}
		if n != 1 {
			t.Errorf("%d times something was yielded", n)
		}
	})
}

func TestCatalogWriter(t *testing.T) {
	ctx := t.Context()
	catalog := &media.Catalog{Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: "vp8"}}}}
	for name, test := range map[string]struct {
		writer func(api.TrackSink) *media.CatalogWriter
		parse  func([]byte) (*media.Catalog, []error, error)
	}{
		"hang": {media.NewCatalogWriter, media.ParseCatalog},
		"msf":  {media.NewMSFWriter, media.ParseMSF},
	} {
		t.Run(name, func(t *testing.T) {
			sink := apitest.NewTrackRecorder(ctx, api.TrackRequest{})
			w := test.writer(sink)
			changed := &media.Catalog{Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: "vp8", Stalled: true}}}}
			for _, c := range []*media.Catalog{catalog, catalog, changed, catalog} {
				if err := w.Update(ctx, c); err != nil {
					t.Fatal(err)
				}
			}
			bad := &media.Catalog{Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {}}}}
			if err := w.Update(ctx, bad); !errors.Is(err, media.ErrCatalog) {
				t.Errorf("a bad catalog: %v", err)
			}
			groups := sink.Groups()
			if len(groups) != 3 {
				t.Fatalf("%d groups were written", len(groups))
			}
			for _, g := range groups {
				frames := g.Frames()
				if closed, code := g.Closed(); !closed || code != nil || len(frames) != 1 {
					t.Fatalf("group %d has %d frames, and is closed: %t, %v", g.Sequence(), len(frames), closed, code)
				}
				if c, told, err := test.parse(frames[0].Payload); err != nil || len(told) > 0 || len(c.Video.Renditions) != 1 {
					t.Errorf("%s: %q, %v", frames[0].Payload, told, err)
				}
				if at := (api.TrackInfo{}).Time(frames[0].Timestamp); time.Since(at).Abs() > time.Hour {
					t.Errorf("it is stamped with %v", at)
				}
			}
		})
	}
}

// TestCatalogWriterTriesAgain writes what could not be written before.
func TestCatalogWriterTriesAgain(t *testing.T) {
	sink := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	w := media.NewCatalogWriter(sink)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := w.Update(ctx, new(media.Catalog)); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("after its end: %v", err)
	}
	if err := w.Update(t.Context(), new(media.Catalog)); err != nil {
		t.Error(err)
	}
	if n := len(sink.Groups()); n != 1 {
		t.Errorf("%d groups were written", n)
	}
}
