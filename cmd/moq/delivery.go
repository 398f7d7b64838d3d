package main

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// A delivery writes groups to one subscriber. When the subscriber cancels a
// group, or the group becomes too old, it is counted as given up and the rest
// of it is skipped; the next group is written again. Other errors end the
// delivery.
type delivery struct {
	w       api.TrackWriter
	counted *counters
	group   api.GroupWriter // nil: no group is open, or it was given up
}

// begin opens a group.
func (d *delivery) begin(seq api.GroupSequence) (err error) {
	d.group, err = d.w.OpenGroupAt(d.w.Context(), seq)
	return err
}

// frame writes a frame to the open group, if there is one.
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

// piece writes a piece of a stream. It skips pieces of a group that began
// before the subscription.
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

// failed handles an error of the open group. It returns the error unless only
// that group is affected.
func (d *delivery) failed(err error) error {
	_, reset := errors.AsType[*api.StreamError](err)
	if !reset || d.w.Context().Err() != nil {
		return err
	}
	d.group = nil
	d.counted.givenUp.Add(1)
	return nil
}
