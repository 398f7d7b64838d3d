package impl_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// The load of the priority tests: audio that fits the link easily, and video
// that does not.
const (
	loadLasts  = 30 * time.Second
	audioEvery = 20 * time.Millisecond
	audioSize  = 200
	videoEvery = 40 * time.Millisecond
	videoSize  = 40_000 // 8 Mbit/s
	videoGroup = 25     // frames
)

// badLink returns a link with 5 Mbit/s, 30 ms of delay and half a second of
// queue.
func badLink(loss float64) *moqtest.Link {
	return &moqtest.Link{Rate: 5_000_000, Delay: 30 * time.Millisecond, Queue: 64 << 10, Loss: loss, Seed: 1}
}

// stamped returns a payload of a size that contains its sending time.
func stamped(size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(time.Now().UnixNano()))
	return b
}

func age(b []byte) time.Duration {
	return time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(b))))
}

// delays are the delays of frames, for percentiles.
type delays struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *delays) add(x time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, x)
}

func (d *delays) percentile(p int) time.Duration {
	slices.Sort(d.all)
	if len(d.all) == 0 {
		return 0
	}
	return d.all[min(len(d.all)*p/100, len(d.all)-1)]
}

func (d *delays) String() string {
	return fmt.Sprintf("%d frames, p50 %v, p95 %v, p99 %v", len(d.all), d.percentile(50), d.percentile(95), d.percentile(99))
}

// every calls f at each interval until the load ends, ctx ends, or f fails.
func every(ctx context.Context, interval time.Duration, f func(i int) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := range int(loadLasts / interval) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if f(i) != nil {
			return
		}
	}
}

// bareTwin sends the same load with quic-go alone: one stream each, audio with
// urgency 0 and video with urgency 7.
func bareTwin(t *testing.T, link *moqtest.Link) *delays {
	cert, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	config := quicconn.DefaultConfig()
	listening := &quic.Transport{Conn: link.Socket()}
	l, err := listening.Listen(&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"bare"}}, config)
	if err != nil {
		t.Fatal(err)
	}
	dialling := &quic.Transport{Conn: link.Socket()}
	client, err := dialling.Dial(t.Context(), l.Addr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bare"}}, config)
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var audio delays
	var work sync.WaitGroup
	send := func(urgency int8, interval time.Duration, size int) {
		st, err := server.OpenUniStream()
		if err != nil {
			t.Error(err)
			return
		}
		st.SetPriority(urgency, false)
		every(t.Context(), interval, func(int) error {
			_, err := st.Write(stamped(size))
			return err
		})
		_ = st.Close()
	}
	work.Go(func() { send(0, audioEvery, audioSize) })
	work.Go(func() {
		time.Sleep(time.Millisecond)
		send(7, videoEvery, videoSize)
	})
	for i := range 2 {
		st, err := client.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			work.Go(func() { _, _ = io.Copy(io.Discard, st) })
			continue
		}
		work.Go(func() {
			frame := make([]byte, audioSize)
			for {
				if _, err := io.ReadFull(st, frame); err != nil {
					return
				}
				audio.add(age(frame))
			}
		})
	}
	time.Sleep(loadLasts + time.Second)
	_ = client.CloseWithError(0, "")
	_ = server.CloseWithError(0, "")
	work.Wait()
	_ = l.Close()
	for _, tr := range []*quic.Transport{listening, dialling} {
		_ = tr.Close()
		_ = tr.Conn.Close()
	}
	return &audio
}

// avLoad publishes audio in groups of a second, and video.
func avLoad(t *testing.T, mux *api.TrackMux, start <-chan struct{}) {
	serve := func(w api.TrackWriter, interval time.Duration, size, group int) {
		<-start
		var g api.GroupWriter
		every(w.Context(), interval, func(i int) (err error) {
			if i%group == 0 {
				if g != nil {
					_ = g.Close()
				}
				if g, err = w.OpenGroup(w.Context()); err != nil {
					return err
				}
			}
			err = g.WriteFrame(api.Frame{Timestamp: uint64(i+1) * uint64(interval.Milliseconds()), Payload: stamped(size)})
			if _, old := errors.AsType[*api.StreamError](err); old {
				return nil // too old: the rest of the group is skipped
			}
			return err
		})
	}
	err := mux.Publish(t.Context(), "av", api.TrackFuncs{Serve: func(w api.TrackWriter) {
		if w.Request().Name == "audio" {
			serve(w, audioEvery, audioSize, 50)
		} else {
			serve(w, videoEvery, videoSize, videoGroup)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// A reception is what a subscriber has received of a track.
type reception struct {
	delays
	whole, cut int // groups
	codes      map[api.StreamErrorCode]int
}

// receive reads a track until ctx ends.
func (r *reception) receive(ctx context.Context, track api.TrackReader) {
	var work sync.WaitGroup
	defer work.Wait()
	for g, err := range api.Groups(ctx, track) {
		if err != nil {
			return
		}
		work.Go(func() {
			var f api.Frame
			var err error
			for err == nil {
				if err = g.ReadFrame(&f); err == nil {
					r.add(age(f.Payload))
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == io.EOF {
				r.whole++
			} else {
				r.cut++
				if r.codes == nil {
					r.codes = make(map[api.StreamErrorCode]int)
				}
				r.codes[api.ErrorCode(err)]++
			}
		})
	}
}

// overLink connects two sessions over a link. The mux of the publisher is that
// of the server or of the client.
func overLink(t *testing.T, link *moqtest.Link, scheme string, fromClient bool, mux *api.TrackMux) (subscriber api.Session, end func()) {
	t.Helper()
	sessions := make(chan api.Session, 1)
	served, offered := mux, api.NewTrackMux()
	if fromClient {
		served, offered = offered, served
	}
	server := moqtest.NewUnstartedServer(served)
	server.Link = link
	server.Config.Handler = func(s api.Session) { sessions <- s }
	server.Start()
	c, url := server.Client(), server.URL
	switch scheme {
	case "https":
		url = server.WebTransportURL()
	case "wss":
		url = server.WebSocketURL()
	case "plain":
		c.Transport = plainDialer{c.Transport}
	}
	s, err := c.Dial(t.Context(), url, offered)
	if err != nil {
		t.Fatal(err)
	}
	if fromClient {
		s = <-sessions
	}
	return s, server.Close
}

// overFast connects a session to a server of mux, in memory or over a fast
// link.
func overFast(t *testing.T, scheme string, mux *api.TrackMux) (subscriber api.Session, end func()) {
	t.Helper()
	if scheme == "memory" {
		server := moqtest.NewServer(mux)
		return dial(t, server, api.Lite06, nil), server.Close
	}
	return overLink(t, &moqtest.Link{Rate: 1_000_000_000, Delay: time.Millisecond}, scheme, false, mux)
}

// A plainDialer makes connections whose streams have no priorities, like those
// of transports that users wrap.
type plainDialer struct{ transport.Dialer }

func (d plainDialer) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	c, err := d.Dialer.Dial(ctx, url, protocols)
	return plainConn{c}, err
}

type plainConn struct{ transport.Conn }

func (c plainConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := c.Conn.OpenUniStream(ctx)
	return struct{ transport.SendStream }{s}, err
}

func TestAudioBeforeVideo(t *testing.T) {
	for _, loss := range []float64{0, 0.01} {
		// The 95th percentile of a quarter of a minute depends on which
		// packets are lost as much as on the sender. Over three links it
		// depends on the sender.
		seeds := []uint64{1}
		if loss > 0 {
			seeds = []uint64{1, 2, 3}
		}
		overLinks := func(t *testing.T, f func(*testing.T, *moqtest.Link)) {
			for _, seed := range seeds {
				link := badLink(loss)
				link.Seed = seed
				synctest.Test(t, func(t *testing.T) { f(t, link) })
			}
		}
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			var bare delays
			overLinks(t, func(t *testing.T, link *moqtest.Link) { bare.all = append(bare.all, bareTwin(t, link).all...) })
			t.Logf("bare: %v", &bare)
			for _, scheme := range []string{"moqt", "https", "wss", "plain"} {
				for _, fromClient := range []bool{false, true} {
					if scheme == "plain" && !fromClient {
						continue
					}
					t.Run(fmt.Sprintf("%s, from client: %v", scheme, fromClient), func(t *testing.T) {
						var audio delays
						overLinks(t, func(t *testing.T, link *moqtest.Link) {
							audio.all = append(audio.all, audioBeforeVideo(t, scheme, fromClient, link).all...)
						})
						t.Logf("audio: %v", &audio)
						wantAsSoon(t, scheme, loss, &audio, &bare)
					})
				}
			}
		})
	}
}

// wantAsSoon checks that audio arrives about as soon as with quic-go alone.
func wantAsSoon(t *testing.T, scheme string, loss float64, audio, bare *delays) {
	t.Helper()
	for _, p := range []int{50, 95} {
		most := bare.percentile(p) * 13 / 10
		if scheme == "wss" && loss > 0 {
			// Over TCP everything waits one round trip for a lost segment,
			// which is mostly video.
			most += 60 * time.Millisecond
		}
		if scheme == "plain" {
			most += 40 * time.Millisecond // a chunk of video, and what goes along with it
			if loss > 0 {
				most += 20 * time.Millisecond // which is passed once more by what was lost
			}
		}
		if audio.percentile(p) > most {
			t.Errorf("audio's p%d is %v, want at most %v after the %v of quic-go alone", p, audio.percentile(p), most, bare.percentile(p))
		}
	}
}

// audioBeforeVideo returns the delays of audio that shares a link with too
// much video, of which whole groups must be skipped.
func audioBeforeVideo(t *testing.T, scheme string, fromClient bool, link *moqtest.Link) *delays {
	mux := api.NewTrackMux()
	start := make(chan struct{})
	avLoad(t, mux, start)
	s, end := overLink(t, link, scheme, fromClient, mux)
	defer end()
	audio, err := s.Subscribe(t.Context(), "av", "audio", &api.SubscribeConfig{Priority: 10})
	if err != nil {
		t.Fatal(err)
	}
	video, err := s.Subscribe(t.Context(), "av", "video", &api.SubscribeConfig{MaxLatency: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	close(start)
	ctx, cancel := context.WithTimeout(t.Context(), loadLasts+time.Second)
	defer cancel()
	var a, v reception
	var work sync.WaitGroup
	work.Go(func() { a.receive(ctx, audio) })
	work.Go(func() { v.receive(ctx, video) })
	time.Sleep(loadLasts + time.Second)
	_ = s.Terminate(api.SessionNoError, "")
	work.Wait()
	if len(a.all) < 1490 {
		t.Errorf("%d frames of audio came, want all", len(a.all))
	}
	if v.whole < 5 || v.cut > 4 {
		t.Errorf("of video: %v; %d groups came whole, %d cut; want whole groups to be skipped", &v.delays, v.whole, v.cut)
	}
	return &a.delays
}

// TestUpdateActsWithinARoundTrip swaps the priorities of two tracks, each of
// which is more than the link carries.
func TestUpdateActsWithinARoundTrip(t *testing.T) {
	for _, scheme := range []string{"moqt", "https", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { updateActs(t, scheme) })
		})
	}
}

func updateActs(t *testing.T, scheme string) {
	mux := api.NewTrackMux()
	err := mux.PublishFunc(t.Context(), "av", func(w api.TrackWriter) {
		for w.Context().Err() == nil {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			for range 50 {
				_ = g.WriteFrame(api.Frame{Payload: stamped(1000)})
			}
			_ = g.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s, end := overLink(t, badLink(0), scheme, false, mux)
	defer end()
	high, low := &api.SubscribeConfig{Priority: 1}, &api.SubscribeConfig{Priority: 0}
	var tracks [2]api.TrackReader
	var came [2]delays // of frames, at which time since the beginning
	began := time.Now()
	var work sync.WaitGroup
	for i, config := range []*api.SubscribeConfig{high, low} {
		tracks[i], err = s.Subscribe(t.Context(), "av", api.TrackName(fmt.Sprint(i)), config)
		if err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			for g, err := range api.Groups(t.Context(), tracks[i]) {
				if err != nil {
					return
				}
				work.Go(func() {
					for g.ReadFrame(new(api.Frame)) == nil {
						came[i].add(time.Since(began))
					}
				})
			}
		})
	}
	time.Sleep(5 * time.Second)
	for i, config := range []*api.SubscribeConfig{low, high} {
		if err := tracks[i].Update(config); err != nil {
			t.Fatal(err)
		}
	}
	arrived := time.Since(began) + 30*time.Millisecond // the way there is free
	rtt := s.Stats().RTT + 110*time.Millisecond        // and the way back is full
	if scheme == "wss" {
		rtt += 60 * time.Millisecond // of what the socket holds unsent: a low-water mark and a message, 32 KiB
	}
	time.Sleep(5 * time.Second)
	_ = s.Terminate(api.SessionNoError, "")
	work.Wait()
	before := [2]int{came[0].within(time.Second, arrived), came[1].within(time.Second, arrived)}
	after := [2]int{came[0].within(arrived+rtt, arrived+rtt+time.Second), came[1].within(arrived+rtt, arrived+rtt+time.Second)}
	t.Logf("frames before: %v, in the second from a round trip after: %v", before, after)
	if before[1]*20 > before[0] || after[0]*20 > after[1] {
		t.Errorf("the lower priority got more than a twentieth: %v before, %v after the update", before, after)
	}
}

// within counts the delays in [from, to).
func (d *delays) within(from, to time.Duration) (n int) {
	for _, x := range d.all {
		if x >= from && x < to {
			n++
		}
	}
	return n
}

// TestNewestGroupGoesFirst writes more groups at once than fit a slow link.
func TestNewestGroupGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		_ = mux.PublishFunc(t.Context(), "av", func(w api.TrackWriter) {
			for range 30 {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = g.WriteFrame(api.Frame{Payload: make([]byte, 30_000)})
				_ = g.Close()
			}
		})
		link := &moqtest.Link{Rate: 3_000_000, Delay: 40 * time.Millisecond, Loss: 0.01, Seed: 1}
		s, end := overLink(t, link, "moqt", false, mux)
		defer end()
		r, err := s.Subscribe(t.Context(), "av", "video", &api.SubscribeConfig{MaxLatency: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []api.GroupSequence
		var work sync.WaitGroup
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			work.Go(func() {
				for g.ReadFrame(new(api.Frame)) == nil {
					mu.Lock()
					order = append(order, g.Sequence())
					mu.Unlock()
				}
			})
		}
		work.Wait()
		// The first group was being sent when the others were written. The
		// others follow from the newest on, except for those whose last bytes
		// were lost.
		inversions := 0
		for i, seq := range order {
			for _, later := range order[i+1:] {
				if later > seq && seq != 0 {
					inversions++
				}
			}
		}
		t.Logf("%v: %d pairs out of order", order, inversions)
		if len(order) != 30 || inversions > 30 {
			t.Errorf("the order was %v, want the newest first", order)
		}
	})
}

// TestMaxAgeOnABadLink offers three times what the link carries: groups that
// are too old are reset.
func TestMaxAgeOnABadLink(t *testing.T) {
	const (
		maxAge   = time.Second
		duration = 500 * time.Millisecond
		lasts    = 20 * time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		served := make(chan struct{})
		_ = mux.PublishFunc(t.Context(), "av", func(w api.TrackWriter) {
			defer close(served)
			// An encoder does not wait, so each group has a writer of its own.
			var writing sync.WaitGroup
			defer writing.Wait()
			for i := range int(lasts / duration) {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					return
				}
				writing.Go(func() {
					for j := range 10 {
						stamp := time.Duration(i)*duration + time.Duration(j)*duration/10
						if g.WriteFrame(api.Frame{Timestamp: 1 + uint64(stamp.Milliseconds()), Payload: stamped(57_000)}) != nil {
							return
						}
						time.Sleep(duration / 10)
					}
					_ = g.Close()
				})
				time.Sleep(duration)
			}
		})
		link := &moqtest.Link{Rate: 3_000_000, Delay: 40 * time.Millisecond, Loss: 0.01, Seed: 1}
		s, end := overLink(t, link, "moqt", false, mux)
		defer end()
		r, err := s.Subscribe(t.Context(), "av", "video", &api.SubscribeConfig{MaxLatency: maxAge})
		if err != nil {
			t.Fatal(err)
		}
		// Groups that remain when nothing newer follows are not too old,
		// however late they are.
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		context.AfterFunc(ctx, func() { _ = r.Close() })
		var got reception
		got.receive(ctx, r)
		<-served
		t.Logf("%v; %d groups whole, %d cut", &got.delays, got.whole, got.cut)
		if most := maxAge + duration + 200*time.Millisecond; got.percentile(100) > most {
			t.Errorf("a frame came after %v, want none after %v", got.percentile(100), most)
		}
		if got.codes[api.StreamOld] < 30 {
			t.Errorf("%d groups were reset as too old, want most", got.codes[api.StreamOld])
		}
	})
}

// receiveHeld receives a track over a link that carries less than is written.
// All groups must arrive completely.
func receiveHeld(t *testing.T, mux *api.TrackMux, groups int) {
	t.Helper()
	s, end := overLink(t, &moqtest.Link{Rate: 3_000_000, Delay: 40 * time.Millisecond}, "moqt", false, mux)
	defer end()
	r, err := s.Subscribe(t.Context(), "av", "video", &api.SubscribeConfig{MaxLatency: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var got reception
	got.receive(t.Context(), r)
	if got.whole != groups {
		t.Errorf("%d groups are whole, of %d", got.whole, groups)
	}
}

// TestPublisherIsHeldBriefly writes more than a slow link carries: the writer
// is held for a moment when much is buffered, and then not again before too
// much is; and so again when all of that was sent.
func TestPublisherIsHeldBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, served := api.NewTrackMux(), make(chan struct{})
		_ = mux.PublishFunc(t.Context(), "av", func(w api.TrackWriter) {
			defer close(served)
			rush(t, w)
			time.Sleep(time.Minute)
			rush(t, w)
		})
		receiveHeld(t, mux, 400)
		<-served
	})
}

// rush writes 2 MB at once, and records when how much of it was taken.
func rush(t *testing.T, w api.TrackWriter) {
	const size = 10_000
	began, brought := time.Now(), make(map[time.Duration]int)
	for range 200 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: make([]byte, size)})
		_ = g.Close()
		brought[time.Since(began)] += size
	}
	at := slices.Sorted(maps.Keys(brought))
	t.Logf("%d at once, %d after %v", brought[at[0]], brought[at[1]], at[1])
	if n := brought[0]; n < 200_000 || n > 300_000 {
		t.Errorf("%d bytes at once", n)
	}
	if at[1] > 10*time.Millisecond || brought[at[1]] < 700_000 {
		t.Errorf("%d bytes after %v", brought[at[1]], at[1])
	}
	if at[2] < 100*time.Millisecond {
		t.Errorf("more than %d bytes after %v", brought[0]+brought[at[1]], at[2])
	}
}

// TestManyWritersAreHeldBriefly checks the same with many writers, of which
// one has always just begun to wait.
func TestManyWritersAreHeldBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, served := api.NewTrackMux(), make(chan struct{})
		_ = mux.PublishFunc(t.Context(), "av", func(w api.TrackWriter) {
			defer close(served)
			var writers sync.WaitGroup
			for range 200 {
				writers.Go(func() {
					g := openGroup(t, w)
					began := time.Now()
					_ = g.WriteFrame(api.Frame{Payload: make([]byte, 4000)})
					if took := time.Since(began); took > 10*time.Millisecond {
						t.Errorf("group %d: a writer was held for %v", g.Sequence(), took)
					}
					_ = g.Close()
				})
				time.Sleep(5 * time.Millisecond)
			}
			writers.Wait()
		})
		receiveHeld(t, mux, 200)
		<-served
	})
}
