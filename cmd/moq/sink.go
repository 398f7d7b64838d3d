package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// sinkFlags are the flags of commands that write what they read.
type sinkFlags struct {
	output    string
	noPayload bool
}

// add adds the flags to a command.
func (f *sinkFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.output, "output", "", "write to this `file`")
	cmd.Flags().BoolVar(&f.noPayload, "no-payload", false, "leave the payloads out of the objects of --json")
}

// A sink is where a track is written, in order.
//
// Only the goroutine that reads in order writes to it; the counters are read by
// the progress too.
type sink struct {
	sinkFlags
	o    *options
	w    io.Writer // for payloads; nil with --json
	file *os.File  // a temporary file, renamed at the end; nil for standard output

	counters
	lost []api.Gap
}

// sink opens a temporary file beside the named one, or uses standard output.
func (o *options) sink(flags sinkFlags) (*sink, error) {
	s, name := &sink{sinkFlags: flags, o: o}, flags.output
	if name == "" {
		if !o.json {
			s.w = o.out
		}
		return s, nil
	}
	// In the same directory, since a rename does not cross file systems;
	// hidden, so that nobody takes it for the result.
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.part")
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	s.file, s.w = f, f
	return s, nil
}

// text is the line of progress.
func (s *sink) text() string {
	return "received " + s.counters.text()
}

// frame writes a payload, or with --json an object.
func (s *sink) frame(group api.GroupSequence, index uint64, f api.Frame) error {
	s.counters.frame(len(f.Payload))
	if s.w != nil {
		if _, err := s.w.Write(f.Payload); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	if !s.o.json {
		return nil
	}
	// Two runs can be compared by the hashes, whatever the payloads are.
	sum := sha256.Sum256(f.Payload)
	object := frameObject{Group: group, Frame: index, Size: len(f.Payload), SHA256: hex.EncodeToString(sum[:]), Timestamp: f.Timestamp}
	if !s.noPayload {
		object.addPayload(f.Payload)
	}
	return line(s.o.out, object)
}

// A frameObject is what --json prints for a frame.
type frameObject struct {
	Group     api.GroupSequence `json:"group"`
	Frame     uint64            `json:"frame"`
	Size      int               `json:"size"`
	SHA256    string            `json:"sha256"`
	Timestamp uint64            `json:"timestamp"`
	// At most one of these is there. An empty payload is text.
	Text   *string `json:"payload,omitempty"`
	Base64 *string `json:"payload_base64,omitempty"`
}

// addPayload adds the payload as text if it is UTF-8: JSON has no other.
func (o *frameObject) addPayload(payload []byte) {
	if utf8.Valid(payload) {
		text := string(payload)
		o.Text = &text
		return
	}
	text := base64.StdEncoding.EncodeToString(payload)
	o.Base64 = &text
}

// gap records lost groups.
func (s *sink) gap(g api.Gap) error {
	s.lost = append(s.lost, g)
	if s.o.json {
		return line(s.o.out, map[string]any{"gap": []api.GroupSequence{g.Start, g.End}, "why": reason(g)})
	}
	// At once, and not only at the end: an unbounded track has none.
	fmt.Fprintf(s.o.err, "lost %s: %s\n", gapText(g), reason(g))
	return nil
}

// begins tells people which group is the first, if the track had others before. Those
// are no gap: nobody has asked for them.
func (s *sink) begins(first api.GroupSequence) {
	if first > 0 {
		fmt.Fprintf(s.o.err, "beginning with group %d, the oldest that is available\n", first)
	}
}

// restart records that the track has restarted with new group numbers. It
// fails for a file, which cannot be continued with data of another origin.
func (s *sink) restart(why error) error {
	if s.file != nil {
		return fmt.Errorf("%s was not written: %w", s.output, why)
	}
	if s.o.json {
		return line(s.o.out, map[string]any{"restart": true})
	}
	fmt.Fprintf(s.o.err, "%v\n", why)
	return nil
}

// gapText names the groups of a gap for people. A gap without numbers stands
// for gaps that the session has forgotten, since nobody asked for them in time.
func gapText(g api.Gap) string {
	if g.Start == g.End {
		return "some groups"
	}
	if g.End == g.Start+1 {
		return fmt.Sprintf("group %d", g.Start)
	}
	return fmt.Sprintf("groups %d to %d", g.Start, g.End-1)
}

// reason describes why groups are missing.
func reason(g api.Gap) string {
	if g.Err == nil {
		return "no reason is known"
	}
	return g.Err.Error()
}

// commit renames the temporary file if no group was lost, and else returns an
// error.
func (s *sink) commit() error {
	if s.file == nil {
		return nil
	}
	if len(s.lost) > 0 {
		var all []string
		for _, g := range s.lost {
			all = append(all, gapText(g)+" ("+reason(g)+")")
		}
		return fmt.Errorf("%s was not written: lost %s", s.output, strings.Join(all, ", "))
	}
	if err := errors.Join(s.file.Chmod(0o644), s.file.Close(), os.Rename(s.file.Name(), s.output)); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	s.file = nil
	return nil
}

// discard removes a temporary file that was not renamed.
func (s *sink) discard() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
