package format

import (
	"fmt"
	"io"
	"os"

	"github.com/moqlite/moqlite/api/media"
)

// A File is a file's packets. It can begin again, as a loop needs.
type File struct {
	media.Reader
	file   *os.File
	reader func(io.Reader) (media.Reader, error)
}

// Open opens a file of any form that [Sniff] knows.
func Open(name string) (*File, error) { return OpenAs(name, Sniff) }

// OpenAs opens a file that reader reads.
func OpenAs(name string, reader func(io.Reader) (media.Reader, error)) (*File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	f := &File{file: file, reader: reader}
	if f.Reader, err = reader(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return f, nil
}

// Rewind has the next packet be the first one again.
func (f *File) Rewind() error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again, err := f.reader(f.file)
	if err != nil {
		return err
	}
	if len(again.Tracks()) != len(f.Tracks()) {
		return fmt.Errorf("format: %s has changed: %d tracks instead of %d", f.file.Name(), len(again.Tracks()), len(f.Tracks()))
	}
	f.Reader = again
	return nil
}

// Progress returns how many bytes of the file have been read, and how many it
// has. It may be called at any time; of a file that is read by seeking, the first
// number goes up and down.
func (f *File) Progress() (read, size int64) {
	read, _ = f.file.Seek(0, io.SeekCurrent)
	if info, err := f.file.Stat(); err == nil {
		size = info.Size()
	}
	return read, size
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
