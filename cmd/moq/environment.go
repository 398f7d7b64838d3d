package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The environment variables that stand for what is not given. See also
// [tokenVariable].
const (
	urlVariable = "MOQ_URL" // the URL of the server
	caVariable  = "MOQ_CA"  // --ca
)

// urlFirst lets MOQ_URL stand for the URL with which the arguments of a command
// begin, of which there are most.
func urlFirst(cmd *cobra.Command, most int) *cobra.Command {
	check, run := cmd.Args, cmd.RunE
	cmd.Args = func(cmd *cobra.Command, args []string) error { return check(cmd, withURL(args, most)) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd, withURL(args, most)) }
	return cmd
}

// withURL returns the arguments with the URL. A path never has "://" in it, since
// its segments are not empty.
func withURL(args []string, most int) []string {
	url := strings.TrimSpace(os.Getenv(urlVariable))
	if url == "" || len(args) >= most || len(args) > 0 && strings.Contains(args[0], "://") {
		return args
	}
	return append([]string{url}, args...)
}

// authorities returns the file of the certificate authorities to trust, and what has
// named it; the file is empty if nothing has.
func (o *options) authorities() (name, file string) {
	if o.ca != "" {
		return "--ca", o.ca
	}
	return caVariable, os.Getenv(caVariable)
}
