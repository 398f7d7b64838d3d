//go:build unix

package bench

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// An audience is many connections to one server, or relay.
type audience struct {
	Number int
	Pause  time.Duration // between frames; 0 for none
	Size   int           // bytes a frame
	Group  int           // frames a group
	Held   int           // groups that a relay holds before anything is measured
}

// A fanOut is one way in which an audience reads what a server sends. Both ends
// go on until their process ends.
type fanOut struct {
	serve func(a audience) (addr string, err error)
	read  func(a audience, addr string, bytes *atomic.Int64) error
}

var fanOuts = map[string]fanOut{
	"ours":                {serveTrack, readTracks("moqt")},
	"plain":               {servePlain, readPlain},
	"best":                {serveBest, readBest},
	"ours, WebTransport":  {serveTrack, readTracks("https")},
	"plain, WebTransport": {serveWebTransport, readWebTransport},
}

// serveTrack serves a track to sessions of this module.
func serveTrack(a audience) (addr string, err error) {
	broadcast := new(live.Broadcast)
	track := broadcast.Track("track", api.TrackInfo{})
	mux := api.NewTrackMux()
	if err := mux.Publish(context.Background(), "bench", broadcast); err != nil {
		return "", err
	}
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: mux, TLSConfig: serverTLS("")}
	at, err := server.Listen()
	if err != nil {
		return "", err
	}
	go func() { failed(server.ListenAndServe()) }()
	go func() { failed(a.publish(track.Paced())) }()
	return at.String(), nil
}

func (a audience) publish(track api.TrackSink) error {
	for {
		if err := a.writeGroup(track); err != nil {
			return err
		}
	}
}

func (a audience) writeGroup(track api.TrackSink) error {
	g, err := track.OpenGroup(context.Background())
	if err != nil {
		return err
	}
	f := api.Frame{Payload: make([]byte, a.Size)}
	for range a.Group {
		time.Sleep(a.Pause)
		if err := g.WriteFrame(f); err != nil {
			return err
		}
	}
	return g.Close()
}

func readTracks(scheme string) func(a audience, addr string, bytes *atomic.Int64) error {
	ctx := context.Background()
	return func(a audience, addr string, bytes *atomic.Int64) error {
		client := &impl.Client{TLSConfig: clientTLS("")}
		for range a.Number {
			s, err := client.Dial(ctx, scheme+"://"+addr, nil)
			if err != nil {
				return err
			}
			r, err := s.Subscribe(ctx, "bench", "track", &api.SubscribeConfig{StartGroup: api.GroupLatest})
			if err != nil {
				return err
			}
			go func() { failed(readTrack(ctx, r, bytes)) }()
		}
		return nil
	}
}

// readTrack counts the bytes of a track. Groups may be cut short: when the
// publisher does not pause, the fastest of an audience sets the pace.
func readTrack(ctx context.Context, r api.TrackReader, read *atomic.Int64) error {
	var f api.Frame
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			return err
		}
		for g.ReadFrame(&f) == nil {
			read.Add(int64(len(f.Payload)))
		}
	}
	return nil
}

// servePlain writes each frame to a stream of each connection of quic-go, with
// a stream for each group.
func servePlain(a audience) (addr string, err error) {
	l, err := quic.ListenAddr("127.0.0.1:0", serverTLS("h3"), quicconn.DefaultConfig())
	if err != nil {
		return "", err
	}
	feeds := a.feed()
	go func() {
		for {
			c, err := l.Accept(context.Background())
			failed(err)
			go func() { failed(a.writeFeed(c.Context(), quicConn(c), feeds.add())) }()
		}
	}()
	return l.Addr().String(), nil
}

// serveBest is servePlain over a socket of this module.
func serveBest(a audience) (addr string, err error) {
	feeds := a.feed()
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS("h3"), nil, quicconn.ListenOptions{
		H3: func(c *quic.Conn) error { failed(a.writeFeed(c.Context(), quicConn(c), feeds.add())); return nil },
	})
	if err != nil {
		return "", err
	}
	return l.Addr().String(), nil
}

// serveWebTransport is servePlain over bare webtransport-go.
func serveWebTransport(a audience) (addr string, err error) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	feeds := a.feed()
	server := webtransportServer(func(s *webtransport.Session) {
		failed(a.writeFeed(s.Context(), webtransportConn(s), feeds.add()))
	})
	go func() { failed(server.Serve(socket)) }()
	return socket.LocalAddr().String(), nil
}

// towards returns a socket, and the resolved address.
func towards(addr string) (*quic.Transport, net.Addr, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, nil, err
	}
	socket, err := net.ListenUDP("udp", nil)
	return &quic.Transport{Conn: socket}, to, err
}

// readPlain reads over connections that share one socket, as those of our
// client do.
func readPlain(a audience, addr string, bytes *atomic.Int64) error {
	transport, to, err := towards(addr)
	if err != nil {
		return err
	}
	return a.read(bytes, func(ctx context.Context) (conn, error) {
		c, err := transport.Dial(ctx, to, clientTLS("h3"), quicconn.DefaultConfig())
		return quicConn(c), err
	})
}

// readWebTransport is readPlain over bare webtransport-go.
func readWebTransport(a audience, addr string, bytes *atomic.Int64) error {
	transport, to, err := towards(addr)
	if err != nil {
		return err
	}
	w := &webtransport.Transport{
		TLSClientConfig: clientTLS("h3"), QUICConfig: quicconn.DefaultConfig(),
		DialAddr: func(ctx context.Context, _ string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
			return transport.DialEarly(ctx, to, config, settings)
		},
	}
	return a.read(bytes, func(ctx context.Context) (conn, error) {
		_, s, err := w.Dial(ctx, "https://"+addr+"/", nil)
		return webtransportConn(s), err
	})
}

func readBest(a audience, addr string, bytes *atomic.Int64) error {
	e := new(quicconn.Endpoint)
	return a.read(bytes, func(ctx context.Context) (conn, error) {
		c, err := e.Dial(ctx, addr, []string{"h3"}, clientTLS("h3"), nil)
		return quicConn(c), err
	})
}

func (a audience) read(bytes *atomic.Int64, dial func(context.Context) (conn, error)) error {
	for range a.Number {
		c, err := dial(context.Background())
		if err != nil {
			return err
		}
		go func() { failed(readStreams(context.Background(), c, bytes)) }()
	}
	return nil
}

// feeds pass frames to the goroutines that write them.
type feeds struct {
	mu  sync.Mutex
	all []chan []byte
}

func (a audience) feed() *feeds {
	f := new(feeds)
	go func() {
		frame := make([]byte, a.Size)
		for {
			time.Sleep(a.Pause)
			f.mu.Lock()
			all := f.all
			f.mu.Unlock()
			if len(all) == 0 {
				time.Sleep(time.Millisecond)
			}
			for _, feed := range all {
				feed <- frame
			}
		}
	}()
	return f
}

func (f *feeds) add() <-chan []byte {
	feed := make(chan []byte, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, feed)
	return feed
}

func (a audience) writeFeed(ctx context.Context, c conn, feed <-chan []byte) error {
	for {
		s, err := c.open(ctx)
		if err != nil {
			return err
		}
		for range a.Group {
			select {
			case frame := <-feed:
				if _, err := s.Write(frame); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
}

// BenchmarkFanOut runs the ends in processes of their own. If both ways leave
// the machine idle, they run at the same time, so that a disturbance affects
// both.
func BenchmarkFanOut(b *testing.B) {
	for _, load := range []struct {
		name     string
		audience audience
	}{
		{"200 sessions, 30 frames a second", audience{Number: 200, Pause: time.Second / 30, Size: 4 << 10, Group: 30}},
		{"50 sessions, flat out", audience{Number: 50, Size: 4 << 10, Group: 30}},
	} {
		b.Run(load.name+"/moqt", func(b *testing.B) { load.audience.compare(b, "ours", "plain", "best") })
		b.Run(load.name+"/https", func(b *testing.B) {
			load.audience.compare(b, "ours, WebTransport", "plain, WebTransport")
		})
	}
}

// compare reports one way relative to others.
func (a audience) compare(b *testing.B, ours string, twins ...string) {
	metrics := make(map[string][]float64)
	for range b.N {
		for _, twin := range twins {
			var both []outcome
			if a.Pause > 0 {
				both = a.run(b, direct, ours, twin)
			} else {
				both = append(a.run(b, direct, ours), a.run(b, direct, twin)...)
			}
			name, _, _ := strings.Cut(twin, ",")
			both[0].over(both[1], name, metrics)
		}
	}
	report(b, metrics)
}
