package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// tokenCommand returns the command that has those about tokens. By itself it does
// nothing: which of them was meant is not guessed.
func tokenCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and check the keys and tokens by which relays admit sessions",
		Long: `Make and check the keys and tokens by which relays admit sessions.

A token is for --token, or for the query of a URL, as jwt=…: it says what may be published and
subscribed to, and until when. A relay verifies tokens with the public key, or
asks a server that does, such as moq token serve.`,
		Example: `  moq token key --out key.jwk --public public.jwk
  moq token sign --key key.jwk --root demo --publish 'cam-1/**' --expires 24h > token
  moq token verify --key public.jwk --at /demo < token`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q of token: it has key, sign, verify and serve", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usage("no command of token was given: it has key, sign, verify and serve")
		},
	}
	cmd.AddCommand(tokenKeyCommand(o), tokenSignCommand(o), tokenVerifyCommand(o), tokenServeCommand(o))
	return cmd
}

// accessFlags say what is granted.
type accessFlags struct {
	root               string
	publish, subscribe []string
}

// add adds the flags. whose says in their descriptions what the patterns are of: a
// key, or a token. They are arrays and not lists, since a pattern may contain a
// comma.
func (f *accessFlags) add(cmd *cobra.Command, whose string) {
	cmd.Flags().StringVar(&f.root, "root", "", "the `path` that "+whose+" patterns are below")
	cmd.Flags().StringArrayVar(&f.publish, "publish", nil, "what may be published, a `pattern`: room is that broadcast, room/** all below it too; repeatable")
	cmd.Flags().StringArrayVar(&f.subscribe, "subscribe", nil, "what may be subscribed to, a `pattern`; repeatable")
}

// given tells whether any of the flags was used.
func (f *accessFlags) given() bool { return f.root != "" || len(f.publish)+len(f.subscribe) > 0 }

// claims returns what the flags grant.
func (f *accessFlags) claims() (auth.Claims, error) {
	publish, err := api.ParsePatterns(f.publish...)
	if err != nil {
		return auth.Claims{}, usage("--publish: %w", err)
	}
	subscribe, err := api.ParsePatterns(f.subscribe...)
	if err != nil {
		return auth.Claims{}, usage("--subscribe: %w", err)
	}
	return auth.Claims{Root: api.BroadcastPath(f.root), Publish: publish, Subscribe: subscribe}, nil
}

// tokenKeyCommand returns the command that makes a key. There is one algorithm by
// default, with which verifiers need no secret; the others are for verifiers that
// exist already.
func tokenKeyCommand(o *options) *cobra.Command {
	var alg, id, out, public string
	var scope accessFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make a key that signs tokens",
		Long: `Make a key that signs tokens, and print it, or write it to a file that its owner
alone may read. A file that is there is replaced, which is how a key is changed.

Relays that verify need only the public key, except for HS256, HS384 and HS512,
where it is the same. With --root, --publish and --subscribe the key is limited:
no token of it grants more.`,
		Example: `  moq token key --out key.jwk --public public.jwk
  moq token key --alg HS256 --id 2026-12 --out keys/2026-12.jwk
  moq token key --out tenant.jwk --root tenant-1 --publish '**' --subscribe '**'`,
		Args: exactly(0, "token key takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			key, err := auth.NewKey(alg, id)
			if err != nil {
				return usage("%w", err)
			}
			if scope.given() {
				claims, err := scope.claims()
				if err != nil {
					return err
				}
				if key, err = key.Limit(claims); err != nil {
					return usage("%w", err)
				}
			}
			return o.writeKey(key, out, public)
		},
	}
	cmd.Flags().StringVar(&alg, "alg", "ES256", "the algorithm: "+strings.Join(auth.Algorithms(), ", "))
	cmd.Flags().StringVar(&id, "id", "", "the key's id, by which tokens name it; a random one if it is not given")
	cmd.Flags().StringVar(&out, "out", "", "the `file` to write the key to; standard output if it is not given")
	cmd.Flags().StringVar(&public, "public", "", "the `file` to write the public key to")
	scope.add(cmd, "the key's")
	return cmd
}

// writeKey writes a key and its public part, and tells of it.
func (o *options) writeKey(key *auth.Key, out, public string) error {
	// The public key first: if it cannot be written, no secret was left behind.
	if public != "" {
		verifier, err := key.Public()
		if err != nil {
			return usage("--public: %w", err)
		}
		if err := verifier.WriteFile(public); err != nil {
			return err
		}
	}
	if out == "" {
		text, err := key.JWK()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(o.out, "%s\n", text)
		return err
	}
	if err := key.WriteFile(out); err != nil {
		return err
	}
	if o.json {
		return line(o.out, map[string]any{"id": key.ID(), "algorithm": key.Algorithm(), "key": out})
	}
	fmt.Fprintf(o.err, "wrote %v to %s\n", key, out)
	return nil
}

// tokenSignCommand returns the command that signs a token. A token ends after an hour
// if nothing else is said: it cannot be called back, other than by changing the key.
func tokenSignCommand(o *options) *cobra.Command {
	var file string
	var access accessFlags
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign a token, and print it alone",
		Example: `  moq token sign --key key.jwk --root demo --publish 'cam-1/**' --expires 24h
  moq token sign --key key.jwk --root demo --subscribe '**' | moq sub https://relay.example.com/demo room data --token -`,
		Args: exactly(0, "token sign takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usage("--key is missing: the file of the key to sign with")
			}
			if expires < 0 {
				return usage("--expires %v is over already", expires)
			}
			claims, err := access.claims()
			if err != nil {
				return err
			}
			// Said here in terms of the flags, before the key is read.
			if len(claims.Publish)+len(claims.Subscribe) == 0 {
				return usage("the token would grant nothing: --publish and --subscribe are missing")
			}
			key, err := o.readKey(file)
			if err != nil {
				return err
			}
			claims.IssuedAt = time.Now()
			if expires > 0 {
				claims.Expires = claims.IssuedAt.Add(expires)
			}
			token, err := key.Issue(claims)
			if err != nil {
				return err
			}
			if o.json {
				return line(o.out, map[string]any{"token": token})
			}
			_, err = fmt.Fprintln(o.out, token)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "key", "", "the `file` of the key to sign with; - is standard input")
	access.add(cmd, "the token's")
	cmd.Flags().DurationVar(&expires, "expires", time.Hour, "how long the token, and the sessions that it admits, last; 0 is for ever")
	return cmd
}

// readKey reads the key to sign with.
func (o *options) readKey(file string) (*auth.Key, error) {
	in := o.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		defer f.Close()
		in = f
	}
	// A bound on what is read by mistake, such as a device; ParseKey has a lower
	// one.
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	key, err := auth.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// keySource returns the keys that verify, which a flag names: in a file, a
// directory, or behind a URL.
func (o *options) keySource(flag, from string) (*auth.Source, error) {
	if from == "" {
		return nil, usage("%s is missing: a file, a directory or a URL of the keys to verify with", flag)
	}
	var keys *auth.Source
	// A URL is known by its scheme, whatever files there are of such a name.
	if info, err := os.Stat(from); strings.Contains(from, "://") {
		keys = auth.URL(from)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	} else if info.IsDir() {
		keys = auth.Dir(from)
	} else {
		keys = auth.File(from)
	}
	keys.Logger = o.warnings()
	return keys, nil
}

// warnings returns a logger for what the user should know in any case.
func (o *options) warnings() *slog.Logger {
	if o.verbose {
		return o.logger()
	}
	return slog.New(slog.NewTextHandler(o.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

var errNoToken = errors.New("there is no token on standard input")
