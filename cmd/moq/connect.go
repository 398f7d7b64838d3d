package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// config returns the settings of sessions that the flags ask for.
func (o *options) config() (*api.Config, error) {
	if o.version == "" {
		return new(api.Config), nil
	}
	v := api.Version(o.version)
	if !slices.Contains(api.Versions(), v) {
		return nil, usage("--version-only %s: the versions are %v", o.version, api.Versions())
	}
	return &api.Config{Versions: []api.Version{v}}, nil
}

// tlsConfig returns a configuration that trusts the certificates of the flags;
// nil for the certificate roots of the system.
func (o *options) tlsConfig() (*tls.Config, error) {
	named, ca := o.authorities()
	switch {
	case o.fingerprint != "" && o.insecure:
		return nil, usage("use --fingerprint or --insecure, not both")
	// It goes before --ca, which then means nothing.
	case o.insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	case o.fingerprint != "":
		sum, err := tlspin.Parse(o.fingerprint)
		if err != nil {
			return nil, usage("--fingerprint: %w", err)
		}
		return tlspin.Config(nil, sum), nil
	case ca != "":
		roots, err := certificates(named, ca)
		if err != nil {
			return nil, err
		}
		return &tls.Config{RootCAs: roots}, nil
	default:
		return nil, nil
	}
}

// logger returns the logger for what no error reports. Without --verbose it is
// silent: progress and errors are printed by the commands.
func (o *options) logger() *slog.Logger {
	if !o.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(o.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// client returns a client with the settings of the flags.
func (o *options) client() (*impl.Client, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	trust, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &impl.Client{TLSConfig: trust, Config: config, Logger: o.logger()}, nil
}

// dial connects within the timeout.
func (o *options) dial(ctx context.Context, c *impl.Client, url string, mux *api.TrackMux) (api.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	url, err := o.withToken(url)
	if err != nil {
		return nil, err
	}
	s, err := c.Dial(ctx, url, mux)
	if err == nil {
		o.logger().Info("connected", "version", s.State().Version, "transport", s.State().Transport)
	}
	return s, err
}

// dialLasting connects within the timeout, without a second try, and returns a
// session that reconnects whenever the connection is lost or the server asks
// clients to leave.
func (o *options) dialLasting(ctx context.Context, c *impl.Client, url string, mux *api.TrackMux) (api.Session, error) {
	if o.reconnect <= 0 {
		return o.dial(ctx, c, url, mux)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	// A first dial that fails is reported at once: most likely the URL is
	// wrong.
	var connected atomic.Bool
	s, err := impl.NewRedialer(c, redial.Policy{
		Source:        o.tokenSource(url),
		MaxElapsed:    o.reconnect,
		ResumeTimeout: o.reconnect,
		DialTimeout:   o.timeout,
		Permanent:     func(err error) bool { return !connected.Load() || redial.Permanent(err) },
		Trace:         o.connectionTrace(),
		Logger:        o.logger(),
	}).Dial(ctx, url, mux)
	// From now on Permanent lets it try again.
	connected.Store(true)
	return s, err
}

// connectionTrace prints what happens to the connection.
func (o *options) connectionTrace() *redial.SessionTrace {
	// Said on standard error even without --verbose: a stream that stands still
	// is explained by that alone.
	tell := func(format string, args ...any) { fmt.Fprintf(o.err, format+"\n", args...) }
	// Hooks are called one at a time, so again needs no lock.
	again := false
	return &redial.SessionTrace{
		Connected: func(state api.SessionState) {
			o.logger().Info("connected", "version", state.Version, "transport", state.Transport)
			if again {
				tell("reconnected")
			}
			again = true
		},
		Lost:            func(err error) { tell("connection lost, reconnecting: %v", err) },
		GoingAway:       func(to string) { tell("the server is going away, connecting to %s", to) },
		RedirectRefused: func(to string, err error) { tell("the server redirects to %s, which is refused: %v", to, err) },
	}
}

// dialAndAwait connects to a server and waits until it announces path or a
// prefix of it.
func (o *options) dialAndAwait(ctx context.Context, c *impl.Client, url string, path api.BroadcastPath) (api.Session, error) {
	session, err := o.dialLasting(ctx, c, url, api.NewTrackMux())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout{o, fmt.Sprintf("nobody has announced %q", string(path))})
	defer cancel()
	defer o.sayWaiting(path)()
	_, err = api.WaitAnnounced(ctx, session, path)
	return session, simplified(err)
}

// errTimeout is the error for something that did not happen in time.
// It is a type of its own, so that it can be found in the error of a call that has
// wrapped it, and printed alone.
type errTimeout struct {
	o    *options
	what string
}

// simplified returns err, or the errTimeout in it unless the error is that
// something was not found.
func simplified(err error) error {
	if late, ok := errors.AsType[errTimeout](err); ok && !errors.Is(err, api.ErrNotFound) {
		return late
	}
	return err
}

func (e errTimeout) Error() string { return fmt.Sprintf("%s within %v", e.what, e.o.timeout) }
