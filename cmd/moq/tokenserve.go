package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/impl/auth"
)

// serveFlags are the flags of token serve: where to listen, and what is granted to
// whom.
type serveFlags struct {
	listen string // host:port, or unix:PATH
	open   bool   // listen may be an address that others can reach

	// key says where the keys are that verify tokens. Without any, only sessions
	// without a token can be admitted.
	key string

	// public is what everybody may do; holders is for those whose client certificate
	// the relay has verified.
	public  publicFlags
	holders accessFlags

	// expires and recheck are for sessions whose own credentials have no end.
	expires time.Duration
	recheck time.Duration

	tier string // for the relay's statistics
}

// tokenServeCommand returns the command that answers relays. Whoever can ask it can
// find out which tokens are good, and for what, so by default only this machine can.
func tokenServeCommand(o *options) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server that relays ask whom to admit (--auth-url)",
		Long: `Run the server that relays ask whom to admit: moq-relay with --auth-url does.

A session with a token gets what that grants, or is refused; one without gets
what is public. Patterns of the latter are below the root of all. Keys are read
again when they change.

The server does not check who asks. It listens at a loopback address, or at a
socket (unix:PATH), unless --listen-public is given.`,
		Example: `  moq token serve --key keys --public-subscribe 'open/**'
  moq-relay --auth-url http://127.0.0.1:4440/ …`,
		Args: exactly(0, "token serve takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.serveTokens(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:4440", "the address, host:port or unix:PATH; port 0 is any free one")
	cmd.Flags().BoolVar(&f.open, "listen-public", false, "allow an address that others can reach")
	cmd.Flags().StringVar(&f.key, "key", "", "the key to verify tokens with: a file, a `directory` of KID.jwk, or a URL")
	f.public.add(cmd, "public")
	cmd.Flags().StringArrayVar(&f.holders.publish, "cert-publish", nil, "what holders of a client certificate may publish, a `pattern`; repeatable")
	cmd.Flags().StringArrayVar(&f.holders.subscribe, "cert-subscribe", nil, "what they may subscribe to, a `pattern`; repeatable")
	cmd.Flags().DurationVar(&f.expires, "expires", 0, "how long sessions last whose token, or certificate, has no end; 0 is for ever")
	cmd.Flags().DurationVar(&f.recheck, "recheck", 0, "how often relays ask again; needs --expires")
	cmd.Flags().StringVar(&f.tier, "tier", "", "a label for the relay's statistics")
	return cmd
}

// policy returns what the flags say.
// All is checked before anything listens: a relay that asks too early would refuse
// its sessions because of a server that is about to fail.
func (f serveFlags) policy(ctx context.Context, o *options) (*auth.Policy, error) {
	public, err := f.public.claims()
	if err != nil {
		return nil, err
	}
	var holders auth.Claims
	if holders.Publish, err = widePatterns("cert-publish", f.holders.publish); err != nil {
		return nil, err
	}
	if holders.Subscribe, err = widePatterns("cert-subscribe", f.holders.subscribe); err != nil {
		return nil, err
	}
	p := &auth.Policy{Public: public, Certificate: holders, Lifetime: f.expires, RecheckEvery: f.recheck, Tier: f.tier}
	// Policy.Validate would say it in terms of its fields.
	if f.recheck > 0 && f.expires <= 0 {
		return nil, usage("--recheck needs --expires: a relay asks again only about what ends")
	}
	if err := p.Validate(); err != nil {
		return nil, usage("%w", err)
	}
	// A server without keys is of use for what is public. One that refuses
	// everybody is a mistake.
	if f.key == "" {
		if !f.public.given() && !f.holders.given() {
			return nil, usage("everyone would be refused: give --key, --public or --cert-publish and --cert-subscribe")
		}
		return p, nil
	}
	if p.Keys, err = o.loadKeys(ctx, "--key", f.key); err != nil {
		return nil, err
	}
	return p, nil
}

// serveTokens answers until ctx ends.
func (o *options) serveTokens(ctx context.Context, f serveFlags) error {
	policy, err := f.policy(ctx, o)
	if err != nil {
		return err
	}
	l, url, err := f.bind()
	if err != nil {
		return err
	}
	// Bounds on how long and how large a request may be: relays are trusted, but
	// may be broken.
	server := &http.Server{
		Handler: auth.Handler(policy), ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(o.warnings().Handler(), slog.LevelWarn),
	}
	if o.json {
		err = line(o.out, map[string]any{"ready": true, "url": url})
	} else {
		_, err = fmt.Fprintf(o.err, "answering at %s: moq-relay --auth-url %s\n", url, url)
	}
	if err != nil {
		_ = l.Close()
		return err
	}
	// Buffered, so that the goroutine ends also where nobody receives any more.
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Questions that are being answered get their answers: their sessions would
	// otherwise be refused because of a restart.
	ending, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ending) != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bind listens, and returns the URL at which relays ask.
func (f serveFlags) bind() (net.Listener, string, error) {
	if path, ok := strings.CutPrefix(f.listen, "unix:"); ok {
		return bindSocket(path)
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return nil, "", fmt.Errorf("--listen: %w", err)
	}
	// The address that was bound counts, and not the flag: a host name may stand
	// for any.
	if at, err := netip.ParseAddrPort(l.Addr().String()); !f.open && (err != nil || !at.Addr().Unmap().IsLoopback()) {
		_ = l.Close()
		return nil, "", usage("--listen %s: others could ask there whom to admit; --listen-public allows it", f.listen)
	}
	return l, "http://" + l.Addr().String() + "/", nil
}

// bindSocket listens at a socket that the owner and the group may use.
func bindSocket(path string) (net.Listener, string, error) {
	// The URL that is printed has to hold for a relay in another directory.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, "", fmt.Errorf("--listen: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, "", fmt.Errorf("--listen: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, "", fmt.Errorf("--listen: %w", err)
	}
	return l, "unix://" + path, nil
}
