package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// What the demo publishes: video of a modest kind.
const (
	demoPath      = "demo/camera"
	demoTrack     = "video"
	demoFrameRate = 50
	demoGroup     = 25 // frames
	demoFrameSize = 4000
)

func demoCommand(o *options) *cobra.Command {
	var duration time.Duration
	var url string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Stream from a publisher through a relay to a subscriber, all in this process",
		Long: `Stream for a few seconds from a publisher through a relay to a subscriber, all
in this process but over real sockets on the loopback interface, and sum up
what came through and how fast.`,
		Example: `  moq demo
  moq demo --duration 1m --transport https --json`,
		Args: exactly(0, "demo takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), o, url, duration)
		},
	}
	cmd.Flags().DurationVar(&duration, "duration", 5*time.Second, "how long to publish")
	cmd.Flags().StringVar(&url, "transport", "moqt", "the transport: moqt for native QUIC, https for WebTransport")
	return cmd
}

func demo(ctx context.Context, o *options, scheme string, duration time.Duration) error {
	if scheme != "moqt" && scheme != "https" {
		return usage("--transport %s: it is moqt or https", scheme)
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	cert, err := devcert.New()
	if err != nil {
		return err
	}
	r := relay.New()
	server := &impl.Server{
		Addr:      "127.0.0.1:0",
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Config:    config, Logger: o.logger(), Mux: r.Mux(), Handler: r.Handler,
	}
	addr, err := server.Listen()
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ListenAndServe() })
	defer serving.Wait()
	defer server.Close()
	newClient := func() *impl.Client {
		return &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert)), Config: config, Logger: o.logger()}
	}
	d := &demonstration{o: o, url: fmt.Sprintf("%s://%s", scheme, addr), duration: duration}
	publisher, subscriber := newClient(), newClient()
	defer publisher.Close()
	defer subscriber.Close()
	return d.run(ctx, publisher, subscriber)
}

// A demonstration is one run of the demo.
type demonstration struct {
	o        *options
	url      string
	duration time.Duration
	sent     counters

	mu      sync.Mutex
	got     counters
	latency []time.Duration
	state   api.SessionState
}

func (d *demonstration) run(ctx context.Context, publisher, subscriber *impl.Client) error {
	mux := api.NewTrackMux()
	life, withdraw := context.WithCancel(context.Background())
	defer withdraw()
	info := func(context.Context, api.TrackRequest) (api.TrackInfo, error) {
		return api.TrackInfo{Timescale: 1_000_000, MaxLatency: declaredMaxAge}, nil
	}
	serve := func(w api.TrackWriter) { d.publish(ctx, w) }
	if err := mux.Publish(life, demoPath, api.TrackFuncs{Serve: serve, Info: info}); err != nil {
		return err
	}
	if _, err := d.o.dial(ctx, publisher, d.url, mux); err != nil {
		return err
	}
	session, err := d.o.dial(ctx, subscriber, d.url, api.NewTrackMux())
	if err != nil {
		return err
	}
	d.state = session.State()
	if err := d.o.awaitBroadcast(ctx, session, demoPath); err != nil {
		return err
	}
	track, err := d.o.open(ctx, session, demoPath, demoTrack, &api.SubscribeConfig{MaxLatency: askedMaxAge})
	if err != nil {
		return err
	}
	bar := d.o.startProgress(d.text)
	err = d.read(context.WithoutCancel(ctx), track)
	bounded, cancel := context.WithTimeout(context.Background(), d.o.timeout)
	defer cancel()
	err = errors.Join(err, publisher.Shutdown(bounded), subscriber.Shutdown(bounded))
	bar.finish()
	if err != nil {
		return err
	}
	return d.summary()
}

// publish writes frames at a steady rate. Each says when it was sent, also
// where the version carries no timestamps.
func (d *demonstration) publish(ctx context.Context, w api.TrackWriter) {
	tick := time.NewTicker(time.Second / demoFrameRate)
	defer tick.Stop()
	end := time.After(d.duration)
	payload := make([]byte, demoFrameSize)
	var g api.GroupWriter
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-end:
			closeGroup(g)
			return
		case <-ctx.Done():
			closeGroup(g)
			return
		case <-w.Context().Done():
			return
		}
		if i%demoGroup == 0 {
			closeGroup(g)
			var err error
			if g, err = w.OpenGroup(w.Context()); err != nil {
				return
			}
			d.sent.groups.Add(1)
		}
		sent := time.Now()
		binary.BigEndian.PutUint64(payload, uint64(sent.UnixNano()))
		if g.WriteFrame(api.Frame{Timestamp: uint64(sent.UnixMicro()), Payload: payload}) != nil {
			return
		}
		d.sent.frame(len(payload))
	}
}

func closeGroup(g api.GroupWriter) {
	if g != nil {
		_ = g.Close()
	}
}

func (d *demonstration) read(ctx context.Context, track api.TrackReader) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	for g, err := range api.Groups(ctx, track) {
		if err != nil {
			return err
		}
		d.got.groups.Add(1)
		reading.Go(func() {
			for f, err := range api.Frames(ctx, g, nil) {
				if err != nil || len(f.Payload) < 8 {
					return
				}
				d.frame(f)
			}
		})
	}
	return nil
}

func (d *demonstration) frame(f *api.Frame) {
	took := time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(f.Payload))))
	d.got.frame(len(f.Payload))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latency = append(d.latency, took)
}

func (d *demonstration) text() string {
	return fmt.Sprintf("%s over %s: sent %d frames, received %d, %s",
		d.state.Version, d.state.Transport, d.sent.frames.Load(), d.got.frames.Load(), size(d.got.bytes.Load()))
}

// summary tells what came through.
func (d *demonstration) summary() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.latency)
	sent, got := d.sent.frames.Load(), d.got.frames.Load()
	at := func(percent int) time.Duration {
		if len(d.latency) == 0 {
			return 0
		}
		return d.latency[min(len(d.latency)*percent/100, len(d.latency)-1)].Round(time.Microsecond)
	}
	if d.o.json {
		return line(d.o.out, map[string]any{
			"version": d.state.Version, "transport": d.state.Transport,
			"frames_sent": sent, "frames_received": got, "groups_sent": d.sent.groups.Load(), "groups_received": d.got.groups.Load(),
			"bytes": d.got.bytes.Load(), "latency_us": map[string]int64{
				"p50": at(50).Microseconds(), "p90": at(90).Microseconds(), "p99": at(99).Microseconds(), "max": at(100).Microseconds(),
			},
		})
	}
	_, err := fmt.Fprintf(d.o.out, `publisher → relay → subscriber, %s over %s
frames   %d sent, %d received, %d lost
groups   %d sent, %d received
payload  %s
latency  p50 %v, p90 %v, p99 %v, max %v
`, d.state.Version, d.state.Transport, sent, got, sent-got, d.sent.groups.Load(), d.got.groups.Load(),
		size(d.got.bytes.Load()), at(50), at(90), at(99), at(100))
	if err == nil && sent != got {
		err = fmt.Errorf("%d of %d frames were lost", sent-got, sent)
	}
	return err
}
