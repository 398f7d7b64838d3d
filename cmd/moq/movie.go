package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
)

// errDuration ends a recording that has become as long as was asked for.
var errDuration = errors.New("the recording is as long as it was to be")

// A movie is what is recorded: an MP4 file, or several where one cannot hold
// what follows, or standard output. It is a media.Writer. Its files are made
// when there is something to write, so that a broadcast that never comes costs
// nobody an old recording.
type movie struct {
	o      *options
	flags  recordFlags
	tracks []media.Track

	w      *fmp4.Writer // nil: none is open
	file   *wholeFile   // nil: standard output
	names  []string     // of the files that were begun
	closed error        // of Close

	length, bytes atomic.Int64 // in nanoseconds, and of all files
}

func newMovie(o *options, flags recordFlags) *movie { return &movie{o: o, flags: flags} }

// check refuses an output that cannot be written, before anything is dialled.
func (m *movie) check() error {
	if m.flags.output == "-" || m.flags.force {
		return nil
	}
	if _, err := os.Lstat(m.flags.output); err == nil {
		return fmt.Errorf("--output: %s exists: name another file, or replace it with --force", m.flags.output)
	}
	return nil
}

// WritePacket implements media.Writer.
func (m *movie) WritePacket(p *media.Packet) error {
	if m.flags.duration > 0 && p.DTS >= m.flags.duration {
		return errDuration
	}
	m.follow(p)
	if m.w == nil {
		if err := m.begin(); err != nil {
			return err
		}
	}
	err := m.w.WritePacket(p)
	if errors.Is(err, fmp4.ErrNewFile) && m.flags.output != "-" {
		if err := m.end(); err != nil && !errors.Is(err, fmp4.ErrNewFile) {
			return err
		}
		if err := m.begin(); err != nil {
			return err
		}
		err = m.w.WritePacket(p)
	}
	m.length.Store(max(m.length.Load(), int64(p.DTS+p.Duration)))
	return err
}

// follow keeps the tracks as a file that is begun now would have to tell them.
func (m *movie) follow(p *media.Packet) {
	if p.Config == nil {
		return
	}
	for i, t := range m.tracks {
		switch {
		case t.ID != p.Track:
		case t.Video != nil:
			v := *t.Video
			v.Description, m.tracks[i].Video = p.Config, &v
		default:
			a := *t.Audio
			a.Description, m.tracks[i].Audio = p.Config, &a
		}
	}
}

// begin opens the next file.
func (m *movie) begin() error {
	var out io.Writer = &countingWriter{m.o.out, &m.bytes}
	if m.flags.output != "-" {
		name := m.nextName()
		file, err := createWhole(name, m.flags.force)
		if err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		m.file, m.names = file, append(m.names, name)
		out = &countingWriter{file, &m.bytes}
	}
	w, err := fmp4.NewWriter(out, m.tracks, nil)
	if err != nil {
		return errors.Join(err, m.end())
	}
	m.w = w
	return nil
}

// nextName is the name of the file after those that were begun.
func (m *movie) nextName() string {
	name := m.flags.output
	if len(m.names) == 0 {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), len(m.names)+1, ext)
}

// end ends the file that is open.
func (m *movie) end() error {
	var err error
	if m.w != nil {
		err = m.w.Close()
		m.w = nil
	}
	if m.file != nil {
		err = errors.Join(err, m.file.Close())
		m.file = nil
	}
	return err
}

// Close implements media.Writer.
func (m *movie) Close() error {
	m.closed = m.end()
	return m.closed
}

// finish tells what was recorded, and returns err with that.
func (m *movie) finish(err error) error {
	did := fmt.Sprintf("%s, %s", time.Duration(m.length.Load()).Round(time.Millisecond), size(m.bytes.Load()))
	switch {
	case err != nil && len(m.names) > 0:
		return fmt.Errorf("%s has %s, which plays: %w", strings.Join(m.names, " and "), did, err)
	case err != nil:
		return err
	case m.bytes.Load() == 0:
		return errors.New("nothing was recorded")
	case m.o.json:
		return line(m.o.out, map[string]any{"done": true, "files": m.names, "seconds": seconds(time.Duration(m.length.Load())), "bytes": m.bytes.Load()})
	case len(m.names) > 0:
		fmt.Fprintf(m.o.err, "recorded %s: %s\n", strings.Join(m.names, " and "), did)
	}
	return nil
}

// text is the line of progress.
func (m *movie) text() string {
	length := time.Duration(m.length.Load())
	return fmt.Sprintf("recorded %v, %s", length.Round(time.Second), size(m.bytes.Load()))
}

// trackName says which track a number is.
func (m *movie) trackName(id int) string {
	for _, t := range m.tracks {
		if t.ID == id && t.Video != nil {
			return "video"
		}
	}
	return "audio"
}

// A countingWriter counts what is written.
type countingWriter struct {
	w io.Writer
	n *atomic.Int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// A disk is where a recording is written: a file.
type disk interface {
	io.WriteCloser
	Truncate(size int64) error
}

// A wholeFile is a file of MP4 fragments, of which none is left in part when
// the disk is full.
type wholeFile struct {
	disk
	size  int64 // written
	whole int64 // where the fragment that is being written begins
}

// createWhole makes a file, which must not exist unless it may be replaced.
func createWhole(name string, replace bool) (*wholeFile, error) {
	flag := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if replace {
		flag = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return &wholeFile{disk: f}, nil
}

// Write writes a part of a fragment: its moof comes in one piece.
func (f *wholeFile) Write(b []byte) (int, error) {
	if len(b) >= 8 && string(b[4:8]) == "moof" {
		f.whole = f.size
	}
	n, err := f.disk.Write(b)
	f.size += int64(n)
	if err != nil && f.Truncate(f.whole) == nil {
		f.size = f.whole
	}
	return n, err
}
