package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A fileSource publishes a file in frames of chunk bytes. It is read anew for
// each subscriber, from the group at which the subscription starts.
//
// The file must not change meanwhile: its size is looked up once, and groups
// are found by their position in it.
type fileSource struct {
	name     string
	size     int64
	chunk    int
	interval time.Duration // between two groups
	loop     bool

	mu     sync.Mutex
	copies map[*copyProgress]bool
	newest api.GroupSequence // the highest of a group that was begun
}

// openFile returns the source for a file.
func openFile(flags pubFlags) (*fileSource, error) {
	name := flags.source
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("--source: %w", err)
	}
	if info.IsDir() {
		return nil, usage("--source %s is a directory", name)
	}
	if flags.loop && info.Size() == 0 {
		return nil, fmt.Errorf("--source %s is empty: it cannot begin again", name)
	}
	return &fileSource{name: name, size: info.Size(), chunk: flags.chunk, interval: flags.interval, loop: flags.loop, copies: make(map[*copyProgress]bool)}, nil
}

// A copyProgress is the progress of one subscriber. The lock of the fileSource
// guards it.
type copyProgress struct {
	began       time.Time
	first, next int64 // offsets in the file, in bytes
	rounds      int64 // how often it has begun again
}

// serve sends the file from the group that the subscription starts at, as fast
// as the subscriber takes it or, with an interval, a group each time. Each has a
// file handle and a position of its own, so a slow one delays nobody. In a loop
// the numbers of groups go on: the first of the file follows the last.
func (s *fileSource) serve(w api.TrackWriter, counted *counters) error {
	f, err := os.Open(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	start := w.Request().Config.StartGroup
	if s.loop && start == api.GroupLatest {
		s.update(func() { start = s.newest })
	}
	first := s.offset(start)
	if _, err := f.Seek(first, io.SeekStart); err != nil {
		return err
	}
	c := &copyProgress{began: time.Now(), first: first, next: first}
	s.update(func() { s.copies[c] = true })
	defer s.update(func() { delete(s.copies, c) })
	// One buffer is enough: WriteFrame returns when the payload was taken.
	buf, d := make([]byte, s.chunk), &groupDelivery{w: w, counted: counted}
	for seq := start; ; seq++ {
		s.update(func() { s.newest = max(s.newest, seq) })
		more, err := s.group(d, f, seq, buf)
		if err != nil {
			return err
		}
		next := s.offset(seq + 1)
		again := s.loop && next == 0
		if !more && !again {
			return nil
		}
		s.update(func() {
			c.next = next
			if again {
				c.rounds++
			}
		})
		if err := s.await(w.Context(), f, next); err != nil {
			return err
		}
	}
}

// await waits until the next group is due, and goes to where it begins.
func (s *fileSource) await(ctx context.Context, f io.Seeker, next int64) error {
	if err := pause(ctx, s.interval); err != nil || next > 0 {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// update changes the progress of a subscriber under the lock, which slowestText
// needs.
func (s *fileSource) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// offset returns where a group begins in the file, at most its end unless the file
// is in a loop.
func (s *fileSource) offset(seq api.GroupSequence) int64 {
	// Every group but the last has the same size, so no index is needed.
	group := int64(framesAGroup(s.chunk)) * int64(s.chunk)
	if s.loop {
		seq %= api.GroupSequence((s.size + group - 1) / group)
	}
	if uint64(seq) > uint64(s.size/group) {
		return s.size
	}
	return min(int64(seq)*group, s.size)
}

// framesAGroup returns how many frames of chunk bytes form a group.
func framesAGroup(chunk int) int { return min(max(maxGroup/chunk, 1), maxFrames) }

// group writes the next group of the file. It reports whether more of the file
// may follow.
func (s *fileSource) group(d *groupDelivery, f io.Reader, seq api.GroupSequence, buf []byte) (more bool, err error) {
	n, err := io.ReadFull(f, buf)
	if n == 0 && s.loop { // a loop without groups would never rest
		return false, fmt.Errorf("%s has become shorter", s.name)
	}
	if n == 0 {
		return false, atEnd(err)
	}
	if err := d.beginGroup(seq); err != nil {
		return false, err
	}
	for i := 1; n > 0; i++ {
		if err := d.writeFrame(buf[:n]); err != nil {
			return false, err
		}
		if i == framesAGroup(s.chunk) || err != nil {
			break
		}
		n, err = io.ReadFull(f, buf)
	}
	return err == nil, errors.Join(atEnd(err), d.endGroup())
}

// slowestText describes the subscriber who has most of the file left: how much,
// at what rate, and for how long. It returns "" if there is no subscriber.
func (s *fileSource) slowestText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest *copyProgress
	for c := range s.copies {
		if slowest == nil || c.next < slowest.next {
			slowest = c
		}
	}
	if slowest == nil {
		return ""
	}
	text := fmt.Sprintf("%s of %s", size(slowest.next), size(s.size))
	took := time.Since(slowest.began)
	sent := slowest.rounds*s.size + slowest.next - slowest.first
	// A rate from so little would jump, and the time left with it.
	if sent == 0 || took < 100*time.Millisecond {
		return text
	}
	rate := float64(sent) / took.Seconds()
	if s.loop {
		return fmt.Sprintf("%s, %s", text, bitrate(8*rate))
	}
	wait := time.Duration(float64(s.size-slowest.next) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %s, %v left", text, bitrate(8*rate), wait.Round(time.Second))
}
