package api

import (
	"bytes"
	"sync"
)

// A SharedWriter is a [GroupWriter] that can send one frame to many groups
// without copying it for each. The group writers of sessions are SharedWriters.
type SharedWriter interface {
	GroupWriter

	// WriteSharedFrame is WriteFrame for a goroutine that writes to no other
	// group: it may also wait until the network has taken the frame, the
	// session has something else to send, or the group is over. The writer may
	// still use f after it has returned.
	WriteSharedFrame(f *SharedFrame) error
}

// A SharedFrame is a frame that is written to many groups. It keeps the bytes
// that go over the network, so that they are made once for all groups that need
// the same. Neither it nor its payload may change. It must not be copied; any
// number of goroutines may use it.
type SharedFrame struct {
	Frame

	mu    sync.Mutex
	forms [][]byte
}

// maxForms bounds the forms that are kept of a frame. The headers before one
// payload differ only by version and by the timestamp that the group had
// before.
const maxForms = 4

// Form returns header, as an implementation of [SharedWriter] encodes it, and
// the payload in one slice, which must not be changed.
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
