package fmp4

import (
	"fmt"
	"time"

	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// flush writes what is held as a fragment of each track, and before the first
// the header of the file. next is the track of which a packet follows, decoded
// at dts; nil: none does.
func (w *Writer) flush(next *outTrack, dts time.Duration) (err error) {
	defer func() { w.failed = err != nil }()
	if !w.begun {
		if err := w.begin(); err != nil {
			return err
		}
	}
	for _, t := range w.tracks {
		if len(t.packets) == 0 {
			continue
		}
		t.lastsUntil(next == t, dts)
		if err := w.writeFragment(t); err != nil {
			return err
		}
	}
	w.held = 0
	return nil
}

// begin writes the header of the file. All times are later in it by as much as
// the first are below 0.
func (w *Writer) begin() error {
	var below time.Duration
	for _, t := range w.tracks {
		if len(t.packets) > 0 {
			below = min(below, t.packets[0].DTS)
		}
	}
	for _, t := range w.tracks {
		t.header.Shift = cmaf.ToTicks(below, t.header.Timescale)
	}
	ftyp, err := cmaf.FileType(w.config.Brand, "iso6", "mp41")
	if err != nil {
		return err
	}
	w.begun = true
	return w.writeMovie(ftyp)
}

// writeMovie writes a moov, behind before.
func (w *Writer) writeMovie(before []byte) error {
	headers := make([]*cmaf.Header, len(w.tracks))
	for i, t := range w.tracks {
		headers[i] = t.header
	}
	moov, err := cmaf.MovieBox(headers)
	if err != nil {
		return fmt.Errorf("fmp4: write the header: %w", err)
	}
	return w.put(append(before, moov...))
}

// lastsUntil sets how long the last packet lasts: until the next one is decoded,
// if that is known, or as it says, or as the one before.
func (t *outTrack) lastsUntil(known bool, dts time.Duration) {
	last := &t.packets[len(t.packets)-1]
	if known && dts > last.DTS {
		last.Duration = dts - last.DTS
	} else if last.Duration <= 0 {
		last.Duration = t.lasts
		if n := len(t.packets); n > 1 {
			last.Duration = last.DTS - t.packets[n-2].DTS
		}
	}
	t.lasts = last.Duration
}

// writeFragment writes what is held of a track.
func (w *Writer) writeFragment(t *outTrack) (err error) {
	at := 0
	for i, size := range t.sizes {
		t.packets[i].Payload = t.payloads[at : at+size]
		at += size
	}
	w.seq++
	if w.head, err = cmaf.AppendMoof(w.head[:0], w.seq, t.header, t.packets); err != nil {
		return fmt.Errorf("fmp4: write a fragment: %w", err)
	}
	if err := w.put(w.head); err != nil {
		return err
	}
	if err := w.put(t.payloads); err != nil {
		return err
	}
	t.packets, t.sizes, t.payloads = t.packets[:0], t.sizes[:0], t.payloads[:0]
	return nil
}

// put writes bytes of the file.
func (w *Writer) put(b []byte) error {
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("fmp4: write: %w", err)
	}
	return nil
}
