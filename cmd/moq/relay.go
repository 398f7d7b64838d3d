package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport"
)

// relayFlags are the flags of relay.
type relayFlags struct {
	listen    string
	cert, key string
	connect   string
	drain     time.Duration
	admission admissionFlags
}

// relayCommand returns the command that runs a relay.
func relayCommand(o *options) *cobra.Command {
	var flags relayFlags
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run a relay: what one session announces, others can subscribe to",
		Long: `Run a relay of one node: what one session announces, others can subscribe to.

It accepts WebTransport and native QUIC on one UDP port, and WebSocket on the TCP
port with the same number. Without --cert it makes a development certificate,
which clients trust by an http:// URL or by its fingerprint, and keeps it in the
user's cache folder for the next relay at the same address.

Everyone may publish and subscribe to everything, unless one of these says
otherwise: --auth-key, which admits sessions by their tokens (moq token sign);
--auth-public, for those that bring no token; or --auth-url, a server that
decides (moq token serve). Keys, the certificate of --cert and --key, and the
authorities of --listen-client-ca are read again when they change, the latter two
also on SIGHUP; one that cannot be read leaves the last in use. Patterns of
--auth-public are below the root of all, and have a wildcard. A server at https://
is trusted by the system's authorities, or by those of --ca.

On standard error it prints a line for each session when it ends, or is refused;
with --verbose, all that is logged.

With --connect it joins the relay at that URL: each announces to the other what
is announced to it, and serves it.`,
		Example: `  moq relay --listen 127.0.0.1:4443
  moq relay --listen 127.0.0.1:4444 --connect http://127.0.0.1:4443
  moq relay --listen :443 --cert cert.pem --key key.pem --drain-timeout 10s
  moq relay --auth-key public.jwk --auth-public-subscribe 'open/**'
  moq relay --auth-url http://127.0.0.1:4440/`,
		Args: exactly(0, "relay takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRelay(cmd.Context(), o, flags) },
	}
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:4443", "the address, host:port; port 0: any free port")
	cmd.Flags().StringVar(&flags.cert, "cert", "", "the certificate chain, a PEM `file`")
	cmd.Flags().StringVar(&flags.key, "key", "", "its private key, a PEM `file`")
	cmd.Flags().StringVar(&flags.connect, "connect", "", "the `URL` of another relay, to exchange all broadcasts with")
	flags.admission.add(cmd)
	o.tokenFlag(cmd)
	cmd.Flags().DurationVar(&flags.drain, "drain-timeout", 0, "when stopped, ask sessions to leave and wait this long for them; readers that stay are cut off two seconds earlier")
	return cmd
}

// runRelay serves until ctx ends, and then lets sessions leave in order. The
// certificate is checked, and the ports are open, before anything is printed: a
// script may connect as soon as it has read the address.
func runRelay(ctx context.Context, o *options, flags relayFlags) error {
	config, err := o.config()
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(flags.listen)
	if err != nil {
		return usage("--listen %s: %w", flags.listen, err)
	}
	trust, err := o.certificate(flags, host)
	if err != nil {
		return err
	}
	admission, err := flags.admission.admission(ctx, o)
	if err != nil {
		return err
	}
	defer admission.close()
	if err := flags.admission.verifyClients(trust); err != nil {
		return err
	}
	// A ring of relays recognises its own announcements by it: they come back
	// with this hop.
	config.Hop = api.Hop(1 + rand.Uint64N(1<<53-1)) // the same id for server and client
	r := relay.New()
	defer r.Close()
	r.Logger = o.sessionLogger()
	server := &impl.Server{
		Addr:      flags.listen,
		TLSConfig: trust.config,
		Config:    config,
		Logger:    r.Logger,
		Mux:       r.Mux(),
		Handler:   r.Handler,
		Admit:     admission.admit,
	}
	addr, err := server.Listen()
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Fprintln(o.err, admission.rule)
	if err := o.announceReady(addr, host, trust); err != nil {
		return err
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if trust.rotation != nil {
		telling.Go(func() { o.announceRenewals(ctx, trust.rotation) })
	}
	if len(trust.files) > 0 {
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		telling.Go(func() { o.keepReloading(ctx, hangup, trust.files) })
	}
	// Buffered, since nobody receives if joining the other relay fails.
	stopped := make(chan error, 1)
	go func() { stopped <- server.ListenAndServe() }()
	beside := []func(context.Context) error{r.Shutdown}
	if flags.connect != "" {
		client, leave, err := o.joinRelay(ctx, r, config, flags.connect)
		if err != nil {
			return err
		}
		defer leave()
		beside = append(beside, client.Shutdown)
	}
	select {
	// A listener has failed: the relay must not go on with half of its ports.
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	return drain(server, flags.drain, stopped, beside...)
}

// joinRelay connects the relay to the one at url, and reconnects when the
// connection is lost or that relay asks clients to leave, until leave is
// called. It dials by client. The first dial has to succeed. When a session
// ends, its announcements end too, unlike those of a session that package redial
// keeps: there may be other routes.
func (o *options) joinRelay(ctx context.Context, r *relay.Relay, config *api.Config, url string) (client *impl.Client, leave func(), err error) {
	client, err = o.client()
	if err != nil {
		return nil, nil, err
	}
	client.Config = config
	session, err := o.dial(ctx, client, url, r.Mux())
	if err != nil {
		_ = client.Close()
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	working.Go(func() {
		wait := newWait()
		for session != nil {
			began, current := time.Now(), session
			working.Go(func() { redial.KeepAlive(current, 3*time.Second, 10*time.Second) })
			// After a GOAWAY the old session goes on beside the new one until
			// its peer closes it, so that no broadcast is interrupted.
			left := make(chan struct{})
			working.Go(func() {
				defer close(left)
				r.Handler(session)
			})
			select {
			case <-left:
				if ctx.Err() != nil { // this relay ends
					return
				}
				fmt.Fprintf(o.err, "connection to %s lost, reconnecting: %v\n", transport.RedactURL(url), context.Cause(session.Context()))
			case <-session.GoneAway():
				fmt.Fprintf(o.err, "%s is going away, reconnecting\n", transport.RedactURL(url))
			}
			pause := !hasStood(session, began)
			if !pause {
				wait.Reset()
			}
			session = o.dialAgain(ctx, client, url, r.Mux(), wait, pause)
		}
	})
	return client, func() {
		cancel()
		_ = client.Close()
		working.Wait()
	}, nil
}

// stableAfter is how long a session must have stood for the next one to be
// dialled at once.
const stableAfter = 10 * time.Second

// hasStood reports whether a session is worth to be followed at once by another one.
// One that nobody could decide on has not stood, however long that took.
func hasStood(s api.Session, began time.Time) bool {
	return time.Since(began) >= stableAfter && !errors.Is(context.Cause(s.Context()), api.ErrUnavailable)
}

// newWait returns the waits between dials. They have jitter, so that relays that have
// lost the same peer do not all come back at once.
func newWait() *backoff.ExponentialBackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = time.Second, 30*time.Second
	return wait
}

// dialAgain dials until it succeeds; it returns nil if ctx ends first. It dials
// at once, unless pause is set.
func (o *options) dialAgain(ctx context.Context, c *impl.Client, url string, mux *api.TrackMux, wait *backoff.ExponentialBackOff, pause bool) api.Session {
	for {
		if pause && !sleepUntil(ctx, time.Now().Add(wait.NextBackOff())) {
			return nil
		}
		pause = true
		session, err := o.dial(ctx, c, url, mux)
		if err == nil {
			return session
		}
		o.logger().Warn("dial failed", "url", transport.RedactURL(url), "error", err)
	}
}

// drain ends a server in order, within timeout, and beside it what else has a Shutdown.
func drain(server *impl.Server, timeout time.Duration, stopped <-chan error, beside ...func(context.Context) error) error {
	if timeout > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		var leaving sync.WaitGroup
		for _, shutdown := range beside {
			leaving.Go(func() { _ = shutdown(ctx) })
		}
		err := server.Shutdown(ctx)
		leaving.Wait()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	_ = server.Close()
	// Also waits until the server's goroutine is gone.
	if err := <-stopped; !errors.Is(err, api.ErrServerClosed) {
		return err
	}
	return nil
}

// announceReady prints how to reach the server.
func (o *options) announceReady(addr net.Addr, host string, trust *relayTLS) error {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return err
	}
	// No client can connect to "all addresses".
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	// With the port that was bound, in place of a 0.
	place := net.JoinHostPort(host, port)
	fingerprint, err := fingerprintOf(trust.config)
	if err != nil {
		return err
	}
	if o.json {
		return line(o.out, map[string]any{"ready": true, "url": "https://" + place, "fingerprint": fingerprint})
	}
	fmt.Fprintf(o.err, "listening on https://%s, moqt://%s and wss://%s\n", place, place, place)
	if trust.rotation != nil {
		fmt.Fprintf(o.err, "using a development certificate: connect to http://%s, or pass --fingerprint %s\n", place, fingerprint)
	}
	return nil
}
