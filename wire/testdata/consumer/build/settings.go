// Package build puts the application together.
package build

import (
	"github.com/moqlite/moqlite/api"

	"example.com/consumer/recorder"
)

// Settings are what the application itself needs.
type Settings struct {
	URL   string
	Track string
}

func newRecorder(c api.Client, sink recorder.Sink, s Settings) *recorder.Recorder {
	return recorder.New(c, sink, s.URL, api.TrackName(s.Track))
}
