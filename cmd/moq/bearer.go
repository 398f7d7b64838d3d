package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/transport"
)

// tokenVariable is the environment variable with the token of commands that
// have no --token.
const tokenVariable = "MOQ_TOKEN"

// maxTokenBytes bounds what is read as a token.
const maxTokenBytes = 1 << 20

// A bearer has the token that is sent to servers.
type bearer struct {
	file  string // is read for each dial; empty if the token is known
	token string
	weak  bool // a token in the URL goes before it
	input bool // it was read from standard input
}

// tokenFlag adds the flag of commands that connect to a server. It takes no
// token itself: other users of the machine see the arguments of a command.
func (o *options) tokenFlag(cmd *cobra.Command) {
	var from string
	cmd.Flags().StringVar(&from, "token", "", "the `file` of the token for the server, - is standard input; without it, "+tokenVariable+" may hold the token")
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		o.bearer, err = o.newBearer(from)
		return err
	}
}

// newBearer returns the token that --token or the environment names; nil if
// there is none.
func (o *options) newBearer(from string) (*bearer, error) {
	b := &bearer{file: from}
	var err error
	switch from {
	case "":
		b.token, b.weak = strings.TrimSpace(os.Getenv(tokenVariable)), true
		if b.token == "" {
			return nil, nil
		}
	case "-":
		b.file, b.input = "", true
		b.token, err = readToken(o.in)
	default:
		_, err = b.read()
	}
	if err != nil {
		return nil, fmt.Errorf("--token: %w", err)
	}
	return b, nil
}

// isInput reports whether the token was read from standard input.
func (b *bearer) isInput() bool { return b != nil && b.input }

// read returns the token: the file may have been written anew since the last
// dial.
func (b *bearer) read() (string, error) {
	if b.file == "" {
		return b.token, nil
	}
	f, err := os.Open(b.file)
	if err != nil {
		// Without the name: somebody may have given the token in its place.
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err
		}
		return "", fmt.Errorf("cannot open the file of the token: %w", err)
	}
	defer f.Close()
	return readToken(f)
}

// readToken reads a token, with white space around it: editors and echo end a file
// with a newline. A file without one is an error, rather than a dial that is refused.
func readToken(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTokenBytes))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("there is no token in it")
	}
	return token, nil
}

// withToken returns the URL to dial: url with the token, if there is one. It
// checks the URL first.
func (o *options) withToken(url string) (string, error) {
	if err := checkURL(url); err != nil || o.bearer == nil {
		return url, err
	}
	t, err := transport.ParseURL(url)
	// A token in the URL is meant for that server; the environment's may be for
	// another.
	if err != nil || o.bearer.weak && api.QueryToken(t.URL.RawQuery) != "" {
		return url, nil // the dial tells what is wrong with a URL
	}
	token, err := o.bearer.read()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if url, err = auth.Bearer(url, token); err != nil {
		return "", usage("token: %w", err)
	}
	return url, nil
}

// tokenSource returns url with the token as it is at each dial.
func (o *options) tokenSource(url string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return o.withToken(url) }
}
