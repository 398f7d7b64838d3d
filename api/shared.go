package api

import (
	"bytes"
	"sync"
)

// A SharedWriter is a [GroupWriter] that takes frames which go to many groups
// without a copy of its own. Those of sessions are.
type SharedWriter interface {
	GroupWriter

	// WriteSharedFrame is WriteFrame, but may also wait until the network has
	// taken the frame, the session has something else to send, or the group is
	// over: it is for a goroutine that writes to no other group. f may be in
	// use after it has returned.
	WriteSharedFrame(f *SharedFrame) error
}

// A SharedFrame is a frame that is written to many groups. What goes over the
// network is made once for all that need the same. Neither it nor its payload
// may change. It must not be copied; any number of goroutines may use it.
type SharedFrame struct {
	Frame

	mu    sync.Mutex
	forms [][]byte
}

// maxForms bounds what is made of a frame: few headers differ, with the version
// and with what a group was begun with.
const maxForms = 4

// Form is a header, as some implementation of [SharedWriter] has it, and the
// payload in one piece. It is for reading.
func (f *SharedFrame) Form(header []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := len(header) + len(f.Payload)
	for _, form := range f.forms {
		if len(form) == size && bytes.HasPrefix(form, header) {
			return form
		}
	}
	form := append(append(make([]byte, 0, size), header...), f.Payload...)
	if len(f.forms) < maxForms {
		f.forms = append(f.forms, form)
	}
	return form
}
