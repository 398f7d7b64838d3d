package main

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// A groupDelivery writes groups to one subscriber. When the subscriber cancels a
// group, or the group becomes too old, it is counted as given up and the rest
// of it is skipped; the next group is written again. Other errors end the
// delivery.
type groupDelivery struct {
	w       api.TrackWriter
	counted *counters
	group   api.GroupWriter // nil: no group is open, or it was given up
}

// beginGroup opens a group.
func (d *groupDelivery) beginGroup(seq api.GroupSequence) (err error) {
	d.group, err = d.w.OpenGroupAt(d.w.Context(), seq)
	return err
}

// writeFrame writes a frame to the open group, if there is one.
func (d *groupDelivery) writeFrame(payload []byte) error {
	if d.group == nil {
		return nil
	}
	if err := d.group.WriteFrame(api.Frame{Timestamp: now(), Payload: payload}); err != nil {
		return d.handleError(err)
	}
	d.counted.frame(len(payload))
	return nil
}

// endGroup closes the open group.
func (d *groupDelivery) endGroup() error {
	if d.group == nil {
		return nil
	}
	if err := d.group.Close(); err != nil {
		return d.handleError(err)
	}
	d.group = nil
	d.counted.groups.Add(1)
	return nil
}

// writePiece writes a piece of a stream. It skips pieces of a group that began
// before the subscription.
func (d *groupDelivery) writePiece(p piece) error {
	if p.first {
		if err := d.beginGroup(p.group); err != nil {
			return err
		}
	}
	if p.payload != nil {
		if err := d.writeFrame(p.payload); err != nil {
			return err
		}
	}
	if p.last {
		return d.endGroup()
	}
	return nil
}

// handleError handles an error of the open group. It returns the error unless
// only that group is affected.
func (d *groupDelivery) handleError(err error) error {
	// A reset is the subscriber's decision about this group, as long as it
	// stays.
	_, reset := errors.AsType[*api.StreamError](err)
	if !reset || d.w.Context().Err() != nil {
		return err
	}
	d.group = nil
	d.counted.givenUp.Add(1)
	return nil
}
