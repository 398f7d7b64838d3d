package record

import (
	"fmt"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// A container takes packets out of the frames of a track.
type container struct {
	kind   media.ContainerKind
	header *cmaf.Header // of CMAF
}

func newContainer(c media.Container) (container, error) {
	if c.Kind != media.CMAF {
		return container{kind: c.Kind}, nil
	}
	h, err := cmaf.ParseInit(c.Init)
	if err != nil {
		return container{}, fmt.Errorf("its initialization segment: %w", err)
	}
	return container{kind: c.Kind, header: h}, nil
}

// timed reports whether packets have a decoding time of their own.
func (c *container) timed() bool { return c.kind == media.CMAF }

// unpack calls f for each packet of a frame, in decoding order. marker says that
// there is nothing but the time at which the content ends. The packet is f's until
// it returns; its payload is a part of frame.
func (c *container) unpack(frame []byte, f func(p *media.Packet, marker bool) error) error {
	if c.kind == media.CMAF {
		return cmaf.ParseFragment(frame, c.header, func(p *media.Packet) error { return f(p, false) })
	}
	parse := media.ParseLegacy
	if c.kind == media.LOC {
		parse = media.ParseLOC
	}
	one, err := parse(frame)
	if err != nil {
		return err
	}
	return f(&media.Packet{PTS: one.PTS, DTS: one.PTS, Payload: one.Payload}, one.Marker)
}
