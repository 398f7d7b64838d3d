package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// probeWait is how long to wait for the peer to accept the session, to report
// its estimated bitrate, and to accept a TCP connection.
const probeWait = time.Second

// probeFlags are the flags of probe.
type probeFlags struct {
	watch    bool
	interval time.Duration
}

// probeCommand returns the command that checks how a server is reached.
func probeCommand(o *options) *cobra.Command {
	var flags probeFlags
	cmd := &cobra.Command{
		Use:   "probe URL",
		Short: "Check how a server can be reached, or why it cannot",
		Long: `Connect to a server and print what was negotiated and the properties of the
path. The bitrate is the server's estimate of what it can send to us, if it
reports one, and otherwise our estimate of what we can send to it.

If connecting fails, print in which phase (resolve, connect, tls, upgrade,
negotiate or setup), what else was found, and what to try. Two thirds of
--timeout are for connecting, the rest for the diagnosis.`,
		Example: `  moq probe http://127.0.0.1:4443
  moq probe https://relay.example.com --token token.txt --watch --interval 5s
  moq probe moqt://127.0.0.1:4443 --version-only moq-lite-04 --json --insecure`,
		Args: exactly(1, "probe takes a URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.interval <= 0 {
				return usage("--interval %v: it must be more than 0", flags.interval)
			}
			return probe(cmd.Context(), o, flags, args[0])
		},
	}
	o.tokenFlag(cmd)
	cmd.Flags().BoolVar(&flags.watch, "watch", false, "keep measuring the path, until Ctrl-C")
	cmd.Flags().DurationVar(&flags.interval, "interval", time.Second, "the time between two lines with --watch")
	return urlFirst(cmd, 1)
}

// probe dials once, and prints either what was negotiated or why that failed. A
// diagnosis has the rest of the timeout, so that a script knows when the
// command ends.
func probe(ctx context.Context, o *options, flags probeFlags, url string) error {
	// Probe dials by itself, and only once: a token is added here and not at each
	// dial.
	url, err := o.withToken(url)
	if err != nil {
		return err
	}
	client, err := o.prober()
	if err != nil {
		return err
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	p, err := o.probed(bounded, client, url)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		// What the dial has left of the timeout is for finding out why it has
		// failed.
		return o.printFailure(newDiagnosis(bounded, o, url, err))
	}
	// Before printing, so that one line has what the server tells of the path.
	p.recordEstimates(ctx, bounded)
	if err := o.printProbe(p); err != nil || !flags.watch {
		return err
	}
	return o.watchProbe(ctx, p, flags.interval)
}

// prober returns a client whose dials wait for the server's SETUP, so that
// they fail if the server refuses the session before it.
func (o *options) prober() (*impl.Client, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	// Otherwise a dial ends with the handshake, and says nothing of what the
	// server thinks of the session.
	client.Config.WaitForSetup = true
	return client, nil
}

// probed dials and returns a session that the server has accepted. It leaves
// part of ctx's time unused.
func (o *options) probed(ctx context.Context, c *impl.Client, url string) (*probeSession, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout*2/3)
	defer cancel()
	// The certificate of a development server is fetched within this time too.
	begun := time.Now()
	session, err := c.Dial(ctx, url, api.NewTrackMux())
	if err != nil {
		return nil, err
	}
	p := &probeSession{Session: session, took: time.Since(begun)}
	// A server may refuse the session after its SETUP, and old versions have
	// no SETUP: only a response to a request shows that the session is
	// accepted.
	ctx, cancel = context.WithTimeout(ctx, probeWait)
	defer cancel()
	announced, err := session.Announcements(ctx, "")
	if err == nil {
		// Any answer will do, also the mark that nothing is announced.
		_, err = announced.Receive(ctx)
		announced.Close()
	}
	if err != nil {
		// The streams may be reset shortly before the session is closed.
		select {
		case <-session.Context().Done():
		case <-ctx.Done():
		}
	}
	if session.Context().Err() != nil {
		return nil, &api.DialError{
			URL: transport.RedactURL(url), Transport: session.State().Transport, Phase: api.PhaseSetup, Err: context.Cause(session.Context()),
		}
	}
	return p, nil
}

// A probeSession is a session with what the probe has measured.
type probeSession struct {
	api.Session
	took   time.Duration               // the duration of the dial
	report atomic.Pointer[api.Bitrate] // the latest estimate of the peer; nil if there is none
}

// hasSetup tells whether the session's version has a SETUP, which the server
// has sent.
func (p *probeSession) hasSetup() bool {
	v := p.State().Version
	return v != api.Lite03 && v != api.Lite04
}

// recordEstimates records the peer's estimates until ctx ends or there are no
// more. It returns once there is one, or after probeWait.
func (p *probeSession) recordEstimates(ctx, bounded context.Context) {
	bounded, cancel := context.WithTimeout(bounded, probeWait)
	defer cancel()
	reader, err := p.Probe(bounded)
	if err != nil {
		return
	}
	// Later estimates are stored as they come; --watch prints the newest.
	first, err := reader.Receive(bounded)
	if err != nil {
		reader.Close()
		return
	}
	p.report.Store(&first)
	go func() {
		defer reader.Close()
		for {
			next, err := reader.Receive(ctx)
			if err != nil {
				return
			}
			p.report.Store(&next)
		}
	}()
}

// A pathStats has the measurements of the path to the server.
type pathStats struct {
	RTT      int64  `json:"rtt_us"`
	MinRTT   int64  `json:"min_rtt_us"`
	Bitrate  uint64 `json:"bits_per_second,omitempty"` // 0: unknown
	Estimate string `json:"estimate,omitempty"`        // "peer" or "own"
	Sent     uint64 `json:"packets_sent"`
	Lost     uint64 `json:"packets_lost"`
}

// path returns the current measurements. The peer's estimate is preferred: it
// is about the direction in which media comes.
func (p *probeSession) path() pathStats {
	stats := p.Stats()
	is := pathStats{
		RTT: stats.RTT.Microseconds(), MinRTT: stats.MinRTT.Microseconds(),
		Sent: stats.PacketsSent, Lost: stats.PacketsLost,
	}
	if report := p.report.Load(); report != nil && report.BitsPerSecond > 0 {
		is.Bitrate, is.Estimate = report.BitsPerSecond, "peer"
	} else if stats.EstimatedBitrate > 0 { // not available over TCP
		is.Bitrate, is.Estimate = stats.EstimatedBitrate, "own"
	}
	return is
}

// String formats the measurements for people, one to a line.
func (p pathStats) String() string {
	rate := "not known"
	switch p.Estimate {
	case "peer":
		rate = bitrate(float64(p.Bitrate)) + " from the server, by its estimate"
	case "own":
		rate = bitrate(float64(p.Bitrate)) + " to the server, by our estimate"
	}
	micros := func(n int64) time.Duration { return round(time.Duration(n) * time.Microsecond) }
	return fmt.Sprintf("rtt          %v, at least %v\nbitrate      %s\n", micros(p.RTT), micros(p.MinRTT), rate)
}

// A setupInfo is what the server's SETUP contains, from moq-lite-05 on.
type setupInfo struct {
	Hop   api.Hop        `json:"hop"`
	Cost  *uint64        `json:"cost,omitempty"`
	Probe api.ProbeLevel `json:"probe"`
}

// String formats the SETUP for people, in one line.
func (s setupInfo) String() string {
	probe := "does not report estimates"
	if s.Probe > api.ProbeNone {
		probe = fmt.Sprintf("reports estimates (probe level %d)", s.Probe)
	}
	cost := ""
	if s.Cost != nil {
		cost = fmt.Sprintf("costs %d, ", *s.Cost)
	}
	return fmt.Sprintf("peer         hop %d, %s%s\n", s.Hop, cost, probe)
}

// printProbe prints the properties of a session.
func (o *options) printProbe(p *probeSession) error {
	state := p.State()
	// Nil where the version has no SETUP: that is no SETUP with nothing in it.
	var peer *setupInfo
	if p.hasSetup() {
		peer = &setupInfo{state.Peer.Hop, state.Peer.Cost, state.Peer.Probe}
	}
	var expires time.Time
	// There is none over tcp:// and ws://.
	if state.TLS != nil && len(state.TLS.PeerCertificates) > 0 {
		expires = state.TLS.PeerCertificates[0].NotAfter
	}
	if o.json {
		return line(o.out, struct {
			OK        bool        `json:"ok"`
			Version   api.Version `json:"version"`
			Transport string      `json:"transport"`
			Local     string      `json:"local"`
			Remote    string      `json:"remote"`
			Took      int64       `json:"connect_us"`
			Expires   time.Time   `json:"certificate_expires,omitzero"`
			pathStats
			Peer    *setupInfo `json:"peer,omitempty"`
			Buffers string     `json:"buffers,omitempty"`
		}{true, state.Version, state.Transport, fmt.Sprint(state.Local), fmt.Sprint(state.Remote), p.took.Microseconds(), expires, p.path(), peer, message(udpBuffers(state.Transport))})
	}
	text := fmt.Sprintf("version      %s\ntransport    %s\naddresses    %v to %v\nconnected    in %v\n%v",
		state.Version, state.Transport, state.Local, state.Remote, round(p.took), p.path())
	if !expires.IsZero() {
		text += fmt.Sprintf("certificate  valid until %s\n", expires.Format(time.DateTime+" MST"))
	}
	if peer != nil {
		text += peer.String()
	}
	if buffers := udpBuffers(state.Transport); buffers != nil {
		text += fmt.Sprintf("buffers      %v\n", buffers)
	}
	_, err := io.WriteString(o.out, text)
	return err
}

// message returns the text of an error, or "" for nil.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// udpBuffers returns an error if the UDP buffers of this machine are too small
// and the transport uses them.
func udpBuffers(transport string) error {
	if transport != "quic" && transport != "webtransport" {
		return nil
	}
	return quicconn.CheckBuffers()
}

// watchProbe prints the measurements of the path again and again.
func (o *options) watchProbe(ctx context.Context, p *probeSession, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.Context().Done():
			return context.Cause(p.Context())
		case <-ctx.Done():
			return nil
		}
		if err := o.printPath(p.path()); err != nil {
			return err
		}
	}
}

// printPath prints one line of measurements, for --watch.
func (o *options) printPath(is pathStats) error {
	if o.json {
		return line(o.out, is)
	}
	rate := "bitrate not known"
	if is.Bitrate > 0 {
		rate = fmt.Sprintf("%s (%s)", bitrate(float64(is.Bitrate)), is.Estimate)
	}
	_, err := fmt.Fprintf(o.out, "%v, %s, lost %d of %d packets\n",
		round(time.Duration(is.RTT)*time.Microsecond), rate, is.Lost, is.Sent)
	return err
}

// printFailure prints a failed dial, and returns its error.
func (o *options) printFailure(d *diagnosis) error {
	if !o.json {
		return d
	}
	object := struct {
		OK        bool      `json:"ok"`
		Phase     api.Phase `json:"phase"`
		Transport string    `json:"transport"`
		Error     string    `json:"error"`
		Found     []string  `json:"found"`
		Try       string    `json:"try"`
	}{Error: d.err.Error(), Found: d.found, Try: d.try}
	if failed, ok := errors.AsType[*api.DialError](d.err); ok {
		object.Phase, object.Transport = failed.Phase, failed.Transport
	}
	// The object is for the script, the exit status comes from the error.
	return errors.Join(line(o.out, object), d.err)
}
