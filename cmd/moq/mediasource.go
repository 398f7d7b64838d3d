package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format"
	"github.com/moqlite/moqlite/impl/format/annexb"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/format/mpegts"
)

// A mediaSource is the packets of a file, or of standard input, and what of them
// was read so far. Those of a file are not read before there is a subscription.
type mediaSource struct {
	media.Reader
	file  *format.File    // nil: standard input
	begin <-chan struct{} // of a file
	done  <-chan struct{} // stop waiting for that

	packets     atomic.Int64
	startedAt   atomic.Int64 // in Unix nanoseconds, when the first packet was read; 0: not yet
	first, last atomic.Int64 // decoding times of the packets that were read, in nanoseconds
}

// openMedia opens what f names. Of standard input it waits for the beginning.
func (f pubFlags) openMedia(ctx context.Context, o *options, begin <-chan struct{}) (*mediaSource, error) {
	m := &mediaSource{begin: begin, done: ctx.Done()}
	var err error
	if f.source == "-" {
		closed := make(chan struct{})
		close(closed)
		m.begin = closed // what is live waits for nobody
		m.Reader, err = f.reader()(o.in)
	} else if m.file, err = format.OpenAs(f.source, f.reader()); err == nil {
		m.Reader = m.file
	}
	if err != nil {
		return nil, sourceError(f.source, err)
	}
	return m, nil
}

// reader returns what reads the format that f names, or the one that the
// beginning shows; nil if f names none that is known.
func (f pubFlags) reader() func(io.Reader) (media.Reader, error) {
	switch f.format {
	case "":
		return format.Sniff
	case "fmp4":
		return func(r io.Reader) (media.Reader, error) { return fmp4.NewReader(r) }
	case "ts":
		return func(r io.Reader) (media.Reader, error) { return mpegts.NewReader(r) }
	case "h264":
		return func(r io.Reader) (media.Reader, error) { return annexb.NewReader(r) }
	}
	return nil
}

// sourceError says what is wrong with a source.
func sourceError(name string, err error) error {
	if name == "-" {
		name = "standard input"
	}
	return fmt.Errorf("%s: %w", name, err)
}

// ReadPacket implements media.Reader.
func (m *mediaSource) ReadPacket(p *media.Packet) error {
	select {
	case <-m.begin:
	case <-m.done:
		return context.Canceled
	}
	if err := m.Reader.ReadPacket(p); err != nil {
		return err
	}
	if m.packets.Add(1) == 1 {
		m.startedAt.Store(time.Now().UnixNano())
		m.first.Store(int64(p.DTS))
	}
	m.last.Store(int64(p.DTS))
	return nil
}

// Rewind begins a file again.
func (m *mediaSource) Rewind() error {
	if m.file == nil {
		return errors.New("standard input cannot begin again")
	}
	return m.file.Rewind()
}

// position is how much of the media has passed, by the wall clock.
func (m *mediaSource) position() time.Duration {
	began := m.startedAt.Load()
	if began == 0 {
		return 0
	}
	return time.Since(time.Unix(0, began))
}

// ignored tells which tracks of the source are none that can be published.
func (m *mediaSource) ignored() []error {
	r := m.Reader
	if m.file != nil {
		r = m.file.Reader
	}
	if told, ok := r.(interface{ Ignored() []error }); ok {
		return told.Ignored()
	}
	return nil
}

// text is how far the source is, for people.
func (m *mediaSource) text() string {
	passed := m.position()
	if passed == 0 {
		return "waiting for the first"
	}
	text := passed.Round(time.Second).String()
	if m.file == nil {
		return text
	}
	read, total := m.file.Progress()
	ahead := time.Duration(m.last.Load() - m.first.Load())
	if read == 0 || ahead <= 0 {
		return text
	}
	// The whole lasts as long as what was read ahead, and its bytes.
	whole := time.Duration(float64(ahead) * float64(total) / float64(read))
	return fmt.Sprintf("%s, %s in all, %s, %v left", text, size(total), bitrate(8*float64(read)/ahead.Seconds()), max(whole-passed, 0).Round(time.Second))
}

func (m *mediaSource) close() {
	if m.file != nil {
		_ = m.file.Close()
	}
}
