package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A line is a frame, or tells of a loss.
type line struct {
	Group   api.GroupSequence `json:"group"`
	Frame   uint64            `json:"frame"`
	Time    time.Time         `json:"time,omitzero"`
	Payload []byte            `json:"payload,omitempty"`
	Lost    string            `json:"lost,omitempty"`
}

// files has the lines of a track, in one file after another.
type files struct {
	r    *recorder
	name string   // what their names begin with
	file *os.File // nil: the next line begins one
	size int64
}

// newFiles names the files by track and time: escaped, as a path may lead elsewhere, and short.
func (r *recorder) newFiles(path api.BroadcastPath, track api.TrackName) *files {
	name := fmt.Sprintf("%s/%.100s@%.50s@", r.dir, url.QueryEscape(string(path)), url.QueryEscape(string(track)))
	return &files{r: r, name: name + time.Now().UTC().Format("20060102T150405Z")}
}

// write writes a line.
func (f *files) write(l line) {
	text, err := json.Marshal(l)
	if err == nil && f.file == nil {
		name := fmt.Sprintf("%s-%d.jsonl.part", f.name, f.r.files.Add(1))
		f.file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		f.size = 0
	}
	if err == nil {
		_, err = f.file.Write(append(text, '\n'))
		f.size += int64(len(text)) + 1
	}
	if err != nil {
		f.r.fail(err)
	} else if f.size >= f.r.limit {
		f.finish()
	}
}

// finish names the file, if there is one, as whole.
func (f *files) finish() {
	if f.file == nil {
		return
	}
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(f.file.Name(), strings.TrimSuffix(f.file.Name(), ".part"))
	}
	if f.file = nil; err != nil {
		slog.Error("a file is not whole", "error", err) // run may have ended already
		f.r.fail(err)
	}
}
