package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// A scripted is a track whose groups come from a test.
type scripted struct {
	api.TrackReader
	groups chan api.GroupReader
	gaps   []api.Gap
}

// AcceptGroup returns the next group; nil stands for a restart.
func (s *scripted) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	select {
	case g, ok := <-s.groups:
		switch {
		case !ok:
			return nil, io.EOF
		case g == nil:
			return nil, &api.RestartError{Err: errors.New("another publisher")}
		}
		return g, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *scripted) Gaps() []api.Gap {
	gaps := s.gaps
	s.gaps = nil
	return gaps
}

// An open is a group whose frames come from a test.
type open struct {
	seq    api.GroupSequence
	first  uint64
	frames chan string
	err    error // after the last frame
}

func (o *open) Sequence() api.GroupSequence                    { return o.seq }
func (o *open) FirstFrame() uint64                             { return o.first }
func (o *open) NextFrame() (api.FrameHeader, io.Reader, error) { panic("not used") }
func (o *open) Cancel(api.StreamErrorCode)                     {}
func (o *open) ReadFrame(f *api.Frame) error {
	text, ok := <-o.frames
	if !ok {
		return o.err
	}
	f.Payload = []byte(text)
	return nil
}

// sub reads track like moq sub --start.
func sub(t *testing.T, track api.TrackReader, output string, start api.GroupSequence) (stdout, stderr *strings.Builder, ended chan error) {
	t.Helper()
	return subRange(t, track, output, readRange{start: start, asked: true})
}

// subRange is sub with any range.
func subRange(t *testing.T, track api.TrackReader, output string, groups readRange) (stdout, stderr *strings.Builder, ended chan error) {
	t.Helper()
	stdout, stderr, ended = new(strings.Builder), new(strings.Builder), make(chan error, 1)
	out, err := (&options{stdio: stdio{out: stdout, err: stderr}}).sink(sinkFlags{output: output})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		err := read(t.Context(), track, out, groups)
		if err == nil {
			err = out.commit()
		}
		out.discard()
		ended <- err
	}()
	return stdout, stderr, ended
}

func whole(seq api.GroupSequence) api.GroupReader {
	return apitest.Group(seq, nil, apitest.Frames(fmt.Sprint(seq, ";"))...)
}

// TestFramesAsTheyCome checks that a frame of an open group is written at
// once, and those of later groups after it.
func TestFramesAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, _, ended := sub(t, track, "", 0)
		g := &open{frames: make(chan string), err: io.EOF}
		track.groups <- whole(1)
		track.groups <- g
		g.frames <- "a;"
		synctest.Wait()
		if got := stdout.String(); got != "a;" {
			t.Errorf("while the group is open: %q", got)
		}
		g.frames <- "b;"
		close(g.frames)
		close(track.groups)
		if err := <-ended; err != nil || stdout.String() != "a;b;1;" {
			t.Errorf("%q, %v", stdout, err)
		}
	})
}

// TestLatestBeginsAtOnce checks that --start latest does not wait for groups
// before the newest one.
func TestLatestBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, stderr, ended := sub(t, track, "", api.GroupLatest)
		track.groups <- whole(7)
		synctest.Wait()
		if stdout.String() != "7;" {
			t.Errorf("at first %q", stdout)
		}
		close(track.groups)
		if err := <-ended; err != nil || stderr.String() != "" {
			t.Errorf("%v; %s", err, stderr)
		}
	})
}

// TestMissingHead checks that missing groups at the start of the range are
// reported, whether the publisher says so or not, and that a file without them
// is not renamed.
func TestMissingHead(t *testing.T) {
	for name, gaps := range map[string][]api.Gap{
		"told":     {{Start: 0, End: 3, Err: errors.New("too old")}},
		"not told": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				track := &scripted{groups: make(chan api.GroupReader, 8), gaps: gaps}
				stdout, stderr, ended := sub(t, track, "", 0)
				track.groups <- whole(3)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if stdout.String() != "3;" || !strings.Contains(stderr.String(), "lost groups 0 to 2") {
					t.Errorf("written %q, told %q", stdout, stderr)
				}
				close(track.groups)
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				track := &scripted{groups: make(chan api.GroupReader, 8), gaps: gaps}
				file := filepath.Join(t.TempDir(), "copy")
				_, _, ended := sub(t, track, file, 0)
				track.groups <- whole(3)
				close(track.groups)
				err := <-ended
				if err == nil || !strings.Contains(err.Error(), "groups 0 to 2") {
					t.Errorf("ended with %v", err)
				}
				if left, _ := os.ReadDir(filepath.Dir(file)); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// TestNobodyAskedForTheHead checks that without --start the groups before the first one
// that comes are no loss, whatever the publisher tells of them, that it is said in a word,
// and that what is lost after the first one is told. A file is asked for from its first
// group on.
func TestNobodyAskedForTheHead(t *testing.T) {
	old := errors.New("too old")
	for name, gaps := range map[string][]api.Gap{
		"told":              {{Start: 0, End: 3, Err: old}},
		"told in parts":     {{Start: 0, End: 1, Err: old}, {Start: 1, End: 3, Err: errors.New("evicted")}},
		"told of some":      {{Start: 0, End: 2, Err: old}},
		"not told":          nil,
		"told of the first": {{Start: 0, End: 1, Err: old}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				track := &scripted{groups: make(chan api.GroupReader, 8), gaps: gaps}
				stdout, stderr, ended := subRange(t, track, "", readRange{})
				track.groups <- whole(3)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if stdout.String() != "3;" {
					t.Errorf("after a moment: %q", stdout)
				}
				track.groups <- whole(5)
				close(track.groups)
				err := <-ended
				want := "beginning with group 3, the oldest that is available\nlost group 4: "
				if err != nil || stdout.String() != "3;5;" || !strings.HasPrefix(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 2 {
					t.Errorf("%q, told %q, %v", stdout, stderr, err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				track := &scripted{groups: make(chan api.GroupReader, 8), gaps: gaps}
				_, _, ended := subRange(t, track, filepath.Join(t.TempDir(), "copy"), readRange{})
				track.groups <- whole(3)
				close(track.groups)
				if err := <-ended; err == nil || !strings.Contains(err.Error(), "was not written: lost group") {
					t.Errorf("a file ended with %v", err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		_, stderr, ended := subRange(t, track, "", readRange{})
		// Its first frame was written: the rest of it is lost.
		track.groups <- apitest.Group(0, &api.StreamError{Code: api.StreamDeliveryTimeout}, apitest.Frames("a;")...)
		close(track.groups)
		if err := <-ended; err != nil || !strings.HasPrefix(stderr.String(), "lost group 0: ") {
			t.Errorf("told %q, %v", stderr, err)
		}
	})
}

// TestGroupThatGoesOn checks a group that breaks off with its connection and
// is read again from its second frame.
func TestGroupThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, stderr, ended := sub(t, track, "", 0)
		track.groups <- apitest.Group(0, api.ErrSessionClosed, apitest.Frames("a;", "b;")...)
		track.groups <- whole(1)
		time.Sleep(5 * time.Second)
		rest := &open{first: 1, frames: make(chan string, 2), err: io.EOF}
		rest.frames <- "b;"
		rest.frames <- "c;"
		close(rest.frames)
		track.groups <- rest
		close(track.groups)
		if err := <-ended; err != nil || stdout.String() != "a;b;c;1;" || stderr.String() != "" {
			t.Errorf("%q, told %q, %v", stdout, stderr, err)
		}
	})
}

// TestGroupThatWasReset checks that a reset group counts as lost at once,
// since the publisher has given it up.
func TestGroupThatWasReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, stderr, _ := sub(t, track, "", 0)
		track.groups <- apitest.Group(0, &api.StreamError{Code: api.StreamDeliveryTimeout}, apitest.Frames("a;")...)
		track.groups <- whole(1)
		synctest.Wait()
		if stdout.String() != "a;1;" || !strings.Contains(stderr.String(), "lost group 0") {
			t.Errorf("%q, told %q", stdout, stderr)
		}
	})
}

// TestRestart checks that the output continues with the new group numbers.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, _, ended := sub(t, track, "", 0)
		for _, g := range []api.GroupReader{whole(0), whole(1), nil, whole(0), whole(1)} {
			track.groups <- g
		}
		close(track.groups)
		if err := <-ended; err != nil || !strings.HasPrefix(stdout.String(), "0;1;") || !strings.HasSuffix(stdout.String(), "0;1;") {
			t.Errorf("%q, %v", stdout, err)
		}
	})
}

// TestManyGroupsAhead checks that a missing group is given up when too many
// groups wait for it, and that no more than the limit are read ahead.
func TestManyGroupsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader)}
		stdout, stderr, ended := sub(t, track, "", 0)
		track.groups <- whole(0)
		synctest.Wait() // each is read before the next comes: else a late one is taken for missing
		for seq := api.GroupSequence(2); seq < 2+maxGroups; seq++ {
			track.groups <- whole(seq)
			synctest.Wait()
		}
		track.groups <- whole(2 + maxGroups)
		close(track.groups)
		err := <-ended
		if n := strings.Count(stdout.String(), ";"); err != nil || n != maxGroups+2 || !strings.Contains(stderr.String(), "lost group 1:") {
			t.Errorf("%d groups, told %q, %v", n, stderr, err)
		}
	})
}

// TestHeldBytes checks that the limit of bytes blocks large groups that are
// ahead, but not the next group.
func TestHeldBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 8)}
		stdout, _, ended := sub(t, track, "", 0)
		slow := &open{frames: make(chan string), err: io.EOF}
		ahead := &open{seq: 1, frames: make(chan string), err: io.EOF}
		track.groups <- slow
		track.groups <- ahead
		slow.frames <- "0;"
		mega := strings.Repeat("x", 1<<20)
		for range maxHeld >> 20 {
			ahead.frames <- mega
		}
		synctest.Wait()
		select {
		case ahead.frames <- mega:
			t.Error("read more than may be held")
		default:
		}
		slow.frames <- "1;"
		close(slow.frames)
		ahead.frames <- mega
		close(ahead.frames)
		close(track.groups)
		if err := <-ended; err != nil || stdout.Len() != 4+maxHeld+1<<20 {
			t.Errorf("%d bytes, %v", stdout.Len(), err)
		}
	})
}

// TestForgottenGaps checks that a file is not complete if the track could not
// record all gaps.
func TestForgottenGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 1), gaps: []api.Gap{{Start: 5, End: 5, Err: api.ErrTooFarBehind}}}
		_, stderr, ended := sub(t, track, filepath.Join(t.TempDir(), "copy"), 0)
		track.groups <- whole(0)
		close(track.groups)
		if err := <-ended; err == nil || !strings.Contains(stderr.String(), "lost some groups") {
			t.Errorf("ended with %v, told %q", err, stderr)
		}
	})
}

// TestNumbersOfOthers: groups that the publisher made for other subscribers are neither
// waited for nor told as lost.
func TestNumbersOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := &scripted{groups: make(chan api.GroupReader, 2), gaps: []api.Gap{{Start: 1, End: 3, Err: api.ErrOtherSubscriber}}}
		file := filepath.Join(t.TempDir(), "copy")
		_, stderr, ended := sub(t, track, file, 0)
		began := time.Now()
		track.groups <- whole(0)
		track.groups <- whole(3)
		time.Sleep(2 * gapInterval)
		close(track.groups)
		if err := <-ended; err != nil || strings.Contains(stderr.String(), "lost") || time.Since(began) > time.Second {
			t.Errorf("ended with %v after %v, told %q", err, time.Since(began), stderr)
		}
	})
}
