package record_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/record"
	"github.com/moqlite/moqlite/impl/redial"
)

// A generator is a source of pictures and sound, in step, for a number of
// seconds.
type generator struct {
	seconds int
	end     error
	i       int // packets so far: two of sound follow one picture
}

func (*generator) Tracks() []media.Track {
	c := both(media.Container{})
	v, a := c.Video.Renditions["video"], c.Audio.Renditions["audio"]
	return []media.Track{{ID: 1, Video: &v}, {ID: 2, Audio: &a}}
}

func (g *generator) ReadPacket(p *media.Packet) error {
	if g.i == g.seconds*75 {
		return g.end
	}
	n, which := g.i/3, g.i%3
	g.i++
	at := time.Duration(n) * picture
	*p = media.Packet{Track: 1, PTS: at, DTS: at, Key: n%25 == 0, Payload: append(p.Payload[:0], vp8(n, n%25 == 0)...)}
	if which > 0 {
		at += time.Duration(which-1) * sound
		*p = media.Packet{Track: 2, PTS: at, DTS: at, Key: true, Payload: append(p.Payload[:0], opus20(n)...)}
	}
	return nil
}

// runPublisher publishes a generator through a relay, and then goes away at once.
func runPublisher(t *testing.T, relay *moqtest.Server, seconds int) {
	t.Helper()
	var b live.Broadcast
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), path, &b); err != nil {
		t.Error(err)
		return
	}
	session, err := relay.Client().Dial(t.Context(), relay.URL, mux)
	if err != nil {
		t.Error(err)
		return
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer cancel()
	go func() { ended <- ingest.Run(ctx, &b, &generator{seconds: seconds + 10, end: io.EOF}, nil) }()
	<-ctx.Done()
	session.Terminate(api.SessionInternal, "killed")
	<-ended
	_ = b.Close()
}

// lasting dials a session that outlives its connections.
func lasting(t *testing.T, server *moqtest.Server, mux *api.TrackMux) api.Session {
	t.Helper()
	session, err := impl.NewRedialer(server.Client(), redial.Policy{}).Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// checkStep checks that pictures and sound are in step: the number in a packet is
// that of its picture.
func checkStep(t *testing.T, got *recorded) {
	t.Helper()
	pictures := map[time.Duration]int{}
	number := func(p media.Packet) int { return int(p.Payload[1])<<8 | int(p.Payload[2]) }
	for _, p := range got.of(1) {
		pictures[p.PTS] = number(p)
	}
	both := 0
	for _, p := range got.of(2) {
		if n, there := pictures[p.PTS]; there {
			if both++; n != number(p) {
				t.Errorf("at %v picture %d is shown, with sound of picture %d", p.PTS, n, number(p))
			}
		}
	}
	if both < 100 {
		t.Errorf("only %d pictures have sound", both)
	}
}

// TestPublisherRestarts has the publisher go away and come back with a clock that
// begins anew. The recording goes on, in step.
func TestPublisherRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := moqtest.NewRelay()
		defer relay.Close()
		session := lasting(t, relay, nil)
		defer session.Terminate(api.SessionNoError, "")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			runPublisher(t, relay, 10)
			time.Sleep(3 * time.Second)
			runPublisher(t, relay, 10)
			time.Sleep(3 * time.Second)
			runPublisher(t, relay, 10)
			time.Sleep(3 * time.Second)
			cancel()
		}()
		r, err := record.Open(ctx, session, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := drain(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		got.check(t)
		checkStep(t, &got)
		if n, m := len(got.of(1)), len(got.of(2)); n < 600 || m < 1200 {
			t.Errorf("%d pictures, %d sounds", n, m)
		}
		end := got.packets[len(got.packets)-1].PTS
		if end < 25*time.Second || end > 40*time.Second {
			t.Errorf("the recording lasts %v", end)
		}
		if len(got.gaps) < 4 {
			t.Errorf("gaps %v", got.gaps)
		}
	})
}

// TestRedial loses the connection between the relay and the recorder: the session
// comes back, and with it what had been published meanwhile.
func TestRedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := moqtest.NewRelay()
		defer relay.Close()
		session := lasting(t, relay, nil)
		defer session.Terminate(api.SessionNoError, "")
		mux := api.NewTrackMux()
		var b live.Broadcast
		if err := mux.Publish(t.Context(), path, &b); err != nil {
			t.Fatal(err)
		}
		publisher := lasting(t, relay, mux)
		defer publisher.Terminate(api.SessionNoError, "")
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := ingest.Run(t.Context(), &b, &generator{seconds: 20, end: io.EOF}, nil); err != nil {
				t.Error(err)
			}
			_ = b.Close()
		}()
		go func() {
			time.Sleep(5 * time.Second)
			relay.Sever()
			time.Sleep(5 * time.Second)
			relay.Sever()
		}()
		r, err := record.Open(t.Context(), session, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := drain(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		<-done
		got.check(t)
		checkStep(t, &got)
		// What the relay had no way to when the recorder came back is told.
		missing := map[int]time.Duration{
			1: time.Duration(500-len(got.of(1))) * picture,
			2: time.Duration(1000-len(got.of(2))) * sound,
		}
		for _, g := range got.gaps {
			missing[g.Track] -= g.End - g.Start
		}
		if got.err != nil || missing[1] != 0 || missing[2] != 0 || len(got.of(1)) < 475 || len(got.of(2)) < 980 {
			t.Errorf("%d pictures, %d sounds, gaps %v, error %v", len(got.of(1)), len(got.of(2)), got.gaps, got.err)
		}
	})
}
