package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// A build describes how this program was built.
type build struct {
	Version  string        `json:"version"`
	Revision string        `json:"revision,omitempty"`
	Go       string        `json:"go"`
	QUIC     string        `json:"quic_go"`
	MoqLite  []api.Version `json:"moq_lite"`
}

// thisBuild reads the build information of this program.
func thisBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), QUIC: "unknown", MoqLite: api.Versions()}
	// A program that was not built by go build, or had its information stripped,
	// still says its versions of moq-lite, which are compiled in.
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, dep := range info.Deps {
		if dep.Path == "github.com/quic-go/quic-go" {
			b.QUIC = dep.Version
		}
	}
	for _, setting := range info.Settings {
		switch {
		// The settings come in any order.
		case setting.Key == "vcs.revision":
			b.Revision = setting.Value + b.Revision
		case setting.Key == "vcs.modified" && setting.Value == "true":
			b.Revision += " (modified)"
		}
	}
	return b
}

// versionNames returns the versions of moq-lite that this program speaks.
func versionNames() (names []string) {
	for _, v := range api.Versions() {
		names = append(names, string(v))
	}
	return names
}

// String is what moq --version prints.
func (b build) String() string {
	built := b.Go
	if b.Revision != "" {
		built = b.Revision + ", " + b.Go
	}
	return fmt.Sprintf("moq %s (%s)\nquic-go %s\n%s\n", b.Version, built, b.QUIC, strings.Join(versionNames(), ", "))
}

// versionCommand returns the command that tells what this program is made of,
// which belongs in each report of a bug.
func versionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program, of quic-go, and of moq-lite",
		Example: `  moq version
  moq version --json`,
		Args: exactly(0, "version takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if o.json {
				return line(o.out, thisBuild())
			}
			_, err := fmt.Fprint(o.out, thisBuild())
			return err
		},
	}
}
