package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// synonyms are names that people try, with the commands that they mean.
var synonyms = map[string]string{
	"broadcast": "pub", "send": "pub", "cat": "sub", "read": "sub", "receive": "sub",
	"list": "ls", "get": "fetch", "ping": "probe", "server": "relay", "serve": "relay",
}

// unknownCommand is the mistake of a command that cmd does not have. It names
// the one that was meant, if one is close.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	meant := synonyms[name]
	if meant == "" {
		meant = nearest(name, names)
	}
	if meant == "" {
		return usage("unknown command %q", name)
	}
	return usage("unknown command %q: did you mean %s?", name, meant)
}

// flagError is the mistake in a command's flags. It names the flag that was
// meant, if one is close.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError{err}
	}
	name := unknown.GetSpecifiedName()
	// A long flag with one dash is parsed as many of one letter.
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		name, _, _ = strings.Cut(letters, "=")
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	meant := nearest(name, names)
	if meant == "" {
		return usageError{err}
	}
	return usage("unknown flag: --%s: did you mean --%s?", name, meant)
}

// nearest returns the name that was probably meant: one of which word is the
// beginning or the other way round, or one that two mistakes, or one in a short
// word, turn into word. It returns "" if there is none.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", min(2, len(word)/2)
	for _, name := range names {
		if len(word) > 1 && (strings.HasPrefix(name, word) || strings.HasPrefix(word, name)) {
			return name
		}
		if n := mistakes(word, name); n <= least && (best == "" || n < least) {
			best, least = name, n
		}
	}
	return best
}

// mistakes returns how many letters were added, left out, replaced, or
// exchanged with the next one, between two words.
func mistakes(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			n := min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, rows[i-2][j-2]+1)
			}
			rows[i][j] = n
		}
	}
	return rows[len(a)][len(b)]
}
