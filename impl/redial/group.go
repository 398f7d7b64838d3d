package redial

import (
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A group is one of a session beneath, which is not closed in good order before
// the group has been read or cancelled.
type group struct {
	api.GroupReader
	once  sync.Once
	ended func()
}

// ReadFrame implements [api.GroupReader].
func (g *group) ReadFrame(f *api.Frame) error {
	err := g.GroupReader.ReadFrame(f)
	if err != nil {
		g.once.Do(g.ended)
	}
	return err
}

// NextFrame implements [api.GroupReader].
func (g *group) NextFrame() (api.FrameHeader, io.Reader, error) {
	h, payload, err := g.GroupReader.NextFrame()
	if err != nil {
		g.once.Do(g.ended)
	}
	return h, payload, err
}

// Cancel implements [api.GroupReader].
func (g *group) Cancel(code api.StreamErrorCode) {
	g.GroupReader.Cancel(code)
	g.once.Do(g.ended)
}
