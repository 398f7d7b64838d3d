package main

import (
	"context"
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
	verbose     bool
}

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is a mistake in the command line.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes the command line and returns its exit status.
func run(ctx context.Context, args []string, io stdio) int {
	root := newRoot(&options{stdio: io})
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(io.err, "moq:", userMessage(err))
	if isA[usageError](err) {
		fmt.Fprintln(io.err, "Try 'moq --help', or --help after a command.")
		return exitUsage
	}
	return exitFailed
}

func newRoot(o *options) *cobra.Command {
	root := &cobra.Command{
		Use:   "moq",
		Short: "Publish, subscribe and relay live media and data over MoQ Lite",
		Long: `Publish, subscribe and relay live media and data over MoQ Lite.

URLs: https:// is WebTransport, or WebSocket where UDP does not get through;
moqt:// is native QUIC, wss:// and ws:// WebSocket alone, tls:// and tcp:// the
same without HTTP, and http:// a development server, whose certificate is
fetched from it first.`,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usage("no command was given")
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.BoolVar(&o.json, "json", false, "print one JSON object a line on standard output, and all else on standard error")
	f.StringVar(&o.version, "version-only", "", "speak this version alone: moq-lite-03 to moq-lite-06")
	f.BoolVar(&o.insecure, "insecure", false, "do not check the server's certificate")
	f.StringVar(&o.fingerprint, "fingerprint", "", "trust the server's certificate by its SHA-256, in `hex`")
	f.StringVar(&o.ca, "ca", "", "trust the authorities in this PEM `file`")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long connecting, and waiting for what is asked for, may take")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log to standard error")
	root.AddCommand(demoCommand(o), relayCommand(o), pubCommand(o), subCommand(o), fetchCommand(o),
		lsCommand(o), probeCommand(o), benchCommand(o), versionCommand(o))
	root.SetVersionTemplate("{{.Version}}")
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// reconnectFlag adds the flag of commands that stay connected.
func (o *options) reconnectFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.reconnect, "reconnect", time.Minute, "how long to try to connect again when the connection is lost; 0 ends with it")
}

// exactly requires n arguments; what describes them.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

func between(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage("%s; %d arguments were given", what, len(args))
		}
		return nil
	}
}
