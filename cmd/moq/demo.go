package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// demoPath is the broadcast that the demo publishes.
const demoPath = "demo/camera"

// video is the shape of a load test like that of a modest video.
var video = shape{rate: 50, size: 4000, group: 25, duration: 5 * time.Second, window: 1 << 20}

// demoCommand returns the command that shows the whole way in one process.
func demoCommand(o *options) *cobra.Command {
	s := video
	var scheme, source string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Stream from a publisher through a relay to a subscriber, all in this process",
		Long: `Stream for a few seconds from a publisher through a relay to a subscriber. All of
them are in this process, but use real sockets on the loopback interface. At the
end, print what arrived and how fast. With --source, a file of media is streamed,
at its own pace and to its end unless --duration is given.`,
		Example: `  moq demo
  moq demo --duration 1m --transport https --json
  moq demo --source video.mp4`,
		Args: exactly(0, "demo takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source == "" {
				return demo(cmd.Context(), o, scheme, s)
			}
			if !cmd.Flags().Changed("duration") {
				s.duration = 0
			}
			return demoMedia(cmd.Context(), o, scheme, source, s.duration)
		},
	}
	cmd.Flags().DurationVar(&s.duration, "duration", s.duration, "how long to publish")
	cmd.Flags().StringVar(&source, "source", "", "a `file` of media to publish: MP4, MPEG-TS, H.264 or H.265")
	cmd.Flags().StringVar(&scheme, "transport", "moqt", "the transport: moqt for native QUIC, https for WebTransport, wss for WebSocket, tls for TLS")
	return cmd
}

// demo runs a small load test through a relay of its own. Unlike in bench, lost
// frames are an error: nothing is lost on a machine by itself.
func demo(ctx context.Context, o *options, scheme string, s shape) error {
	if err := checkDemoScheme(scheme); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	relay, err := o.embed()
	if err != nil {
		return err
	}
	defer relay.shutDown()
	l := &loadTest{
		shape: s, o: o, url: scheme + "://" + relay.addr, newClient: relay.client,
		prefix: demoPath, paths: []api.BroadcastPath{demoPath}, sessions: 1, tracks: 1,
	}
	text := func() string {
		r := l.result()
		return fmt.Sprintf("%s over %s: sent %s, received %d, %s", l.state.Version, l.state.Transport, count(r.sent, "frame"), r.frames, size(r.bytes))
	}
	if err := l.runLoad(ctx, o.progress(text)); err != nil {
		return err
	}
	if o.json {
		err = line(o.out, l.summary())
	} else {
		_, err = fmt.Fprint(o.out, l.summaryText())
	}
	// The result is printed first, so that it is seen what was lost.
	if r := l.result(); err == nil && r.framesLost > 0 {
		err = fmt.Errorf("%d of %d frames were lost", r.framesLost, r.expectedFrames)
	}
	return err
}

// checkDemoScheme refuses schemes that make no sense: the relay of the demo has
// a certificate in any case.
func checkDemoScheme(scheme string) error {
	if s, _ := transport.SchemeByName(scheme); !s.Secure {
		return usage("--transport %s: it must be moqt, https, wss or tls", scheme)
	}
	return nil
}
