package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// tokenVerifyCommand returns the command that checks a token as a relay would. The
// token comes by standard input, since other users of the machine can see arguments.
func tokenVerifyCommand(o *options) *cobra.Command {
	var from, at string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a token, and print what it allows",
		Long: `Check the token on standard input, which may also be a URL with one in its
query, and print what it allows: below its root, or with --at for a session that
dials that path. If it allows nothing, the error says why.`,
		Example: `  moq token verify --key public.jwk < token
  moq token verify --key keys --at /demo/room < token`,
		Args: exactly(0, "token verify takes no arguments: it reads the token from standard input"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.verifyToken(cmd.Context(), from, at, cmd.Flags().Changed("at"))
		},
	}
	cmd.Flags().StringVar(&from, "key", "", "the key to verify with: a file, a `directory` of KID.jwk, or a URL")
	cmd.Flags().StringVar(&at, "at", "", "the `path` of the URL that a session dials, escaped as it is there")
	return cmd
}

// verifyToken prints what a token allows: below its root, or at a path if placed is
// set. That it allows nothing there is an error, as it would be for a session.
func (o *options) verifyToken(ctx context.Context, from, at string, placed bool) error {
	keys, err := o.keySource("--key", from)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(o.in, 1<<20))
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(text))
	// Users have tokens in the URLs that they were given, and need not take them
	// apart.
	if _, query, ok := strings.Cut(token, "?"); ok {
		token = api.QueryToken(query)
	}
	if token == "" {
		return usage("%w", errNoToken)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout{o, "the keys could not be had"})
	defer cancel()
	claims, err := auth.Verify(ctx, keys, token)
	if err != nil {
		return plain(err)
	}
	if !placed {
		return o.printAccess("below", string(claims.Root.Clean()), claims.Publish, claims.Subscribe, claims.Expires)
	}
	grant, err := claims.At(api.BroadcastPath(at))
	if err != nil {
		return plain(fmt.Errorf("token: %w", err))
	}
	return o.printAccess("at", string(api.BroadcastPath(at).Clean()), grant.Publish, grant.Subscribe, grant.Expires)
}

// plain returns an error that matches nothing, and so gets no hint that fits a
// connection.
func plain(err error) error { return errors.New(err.Error()) }

// printAccess prints what is allowed. Patterns are relative to path.
func (o *options) printAccess(where, path string, publish, subscribe api.Patterns, expires time.Time) error {
	if o.json {
		// Copies that are not nil: a script gets [] rather than null for
		// nothing.
		object := map[string]any{"root": path, "publish": append(api.Patterns{}, publish...), "subscribe": append(api.Patterns{}, subscribe...)}
		if !expires.IsZero() {
			object["expires"] = expires.Unix()
		}
		return line(o.out, object)
	}
	fmt.Fprintf(o.out, "%-10s /%s\n", where, path)
	for _, role := range []struct {
		name     string
		patterns api.Patterns
	}{{"publish", publish}, {"subscribe", subscribe}} {
		for _, p := range role.patterns {
			fmt.Fprintf(o.out, "%-10s %s\n", role.name, cmp.Or(string(p), "/"))
		}
		if len(role.patterns) == 0 {
			fmt.Fprintf(o.out, "%-10s nothing\n", role.name)
		}
	}
	// People get their local time; scripts get seconds, which stand for the same
	// everywhere.
	until := "never"
	if !expires.IsZero() {
		until = expires.Local().Format(time.DateTime)
	}
	_, err := fmt.Fprintf(o.out, "%-10s %s\n", "expires", until)
	return err
}
