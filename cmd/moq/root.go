package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// A stdio has the streams that a command reads from and writes to.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// options are the flags that all commands have.
type options struct {
	stdio
	json        bool
	version     string
	insecure    bool
	fingerprint string
	ca          string
	timeout     time.Duration
	reconnect   time.Duration // for commands that stay connected
	bearer      *bearer       // for commands that connect to a server; nil: no token
	verbose     bool
}

// Exit statuses.
//
// Scripts depend on these numbers.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is a mistake in the command line.
type usageError struct{ error }

// usage returns an error that ends the command with status 2 and a hint at
// --help.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes the command line and returns its exit status.
func run(ctx context.Context, args []string, io stdio) int {
	root := newRoot(&options{stdio: io})
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case isA[usageError](err):
		fmt.Fprintln(io.err, "moq:", userMessage(err))
		fmt.Fprintf(io.err, "Try '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	// After Ctrl-C the rest of the error is of no interest.
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(io.err, "moq: interrupted")
	default:
		fmt.Fprintln(io.err, "moq:", userMessage(err))
	}
	return exitFailed
}

// newRoot returns the command line of the whole program. Errors are printed by
// run, not by cobra, which would print the usage after each.
func newRoot(o *options) *cobra.Command {
	root := &cobra.Command{
		Use:   "moq",
		Short: "Publish, subscribe and relay live media and data over MoQ Lite",
		Long: `Publish, subscribe and relay live media and data over MoQ Lite.

The scheme of a URL chooses the transport:

  https://   WebTransport, or WebSocket where UDP is blocked
  moqt://    native QUIC
  wss://     WebSocket over TLS; ws:// without TLS
  tls://     TLS without HTTP; tcp:// without TLS
  http://    like https://, for a development server: its certificate is pinned
             by the fingerprint that it publishes

MOQ_URL, MOQ_TOKEN and MOQ_CA stand for the URL, the token and the --ca that are
not given.`,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usage("no command was given")
		},
	}
	// Cobra does not tell mistakes in flags from errors of commands otherwise.
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.BoolVar(&o.json, "json", false, "print JSON objects on standard output, one a line, and everything else on standard error")
	f.StringVar(&o.version, "version-only", "", "speak only this `version`, moq-lite-03 to moq-lite-06")
	f.BoolVar(&o.insecure, "insecure", false, "do not verify the server's certificate")
	f.StringVar(&o.fingerprint, "fingerprint", "", "trust the certificate with this SHA-256 fingerprint, in `hex`")
	f.StringVar(&o.ca, "ca", "", "trust the certificate authorities in this PEM `file`; without it, "+caVariable+" may name one")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long connecting, and each request, may take")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log everything to standard error")
	root.AddCommand(demoCommand(o), relayCommand(o), pubCommand(o), subCommand(o), fetchCommand(o), catalogCommand(o), recordCommand(o),
		lsCommand(o), probeCommand(o), benchCommand(o), tokenCommand(o), completionCommand(), versionCommand(o))
	root.SetVersionTemplate("{{.Version}}")
	root.CompletionOptions.DisableDefaultCmd = true // there is our own
	_ = root.RegisterFlagCompletionFunc("version-only", cobra.FixedCompletions(versionNames(), cobra.ShellCompDirectiveNoFileComp))
	return root
}

// reconnectFlag adds the flag of commands that stay connected.
func (o *options) reconnectFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.reconnect, "reconnect", time.Minute, "how long to try to reconnect when the connection is lost; 0: not at all")
}

// exactly requires n arguments; what describes them.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

// between requires a number of arguments; what describes them. Cobra's own
// checks would tell how many there are to be, but not of what.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage("%s, not %s", what, count(int64(len(args)), "argument"))
		}
		return nil
	}
}
