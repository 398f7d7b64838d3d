package main

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// A delivery writes groups to one subscriber. A group that the subscriber gives
// up, or that became too old for it, is counted and left out from there on; the
// next group is written again. Errors are those that end the whole delivery.
type delivery struct {
	w       api.TrackWriter
	counted *counters
	group   api.GroupWriter // nil: none is open, or it was given up
}

// begin opens a group.
func (d *delivery) begin(seq api.GroupSequence) (err error) {
	d.group, err = d.w.OpenGroupAt(d.w.Context(), seq)
	return err
}

// frame writes a frame of the open group.
func (d *delivery) frame(payload []byte) error {
	if d.group == nil {
		return nil
	}
	if err := d.group.WriteFrame(api.Frame{Timestamp: now(), Payload: payload}); err != nil {
		return d.failed(err)
	}
	d.counted.frame(len(payload))
	return nil
}

// end closes the open group.
func (d *delivery) end() error {
	if d.group == nil {
		return nil
	}
	if err := d.group.Close(); err != nil {
		return d.failed(err)
	}
	d.group = nil
	d.counted.groups.Add(1)
	return nil
}

// piece writes a piece of a stream; one that belongs to a group begun before the
// subscription is left out.
func (d *delivery) piece(p piece) error {
	if p.first {
		if err := d.begin(p.group); err != nil {
			return err
		}
	}
	if p.payload != nil {
		if err := d.frame(p.payload); err != nil {
			return err
		}
	}
	if p.last {
		return d.end()
	}
	return nil
}

// failed takes the error of the open group's writer, and returns it if it
// concerns more than that group.
func (d *delivery) failed(err error) error {
	_, reset := errors.AsType[*api.StreamError](err)
	if !reset || d.w.Context().Err() != nil {
		return err
	}
	d.group = nil
	d.counted.givenUp.Add(1)
	return nil
}
