//go:build unix

package interop_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// A venue is what a browser watches a clip through.
type venue struct {
	name string
	show func(t *testing.T, c clip, container media.ContainerKind) (addr string)
}

var (
	direct        = venue{"directly", func(t *testing.T, c clip, k media.ContainerKind) string { return c.serve(t, k) }}
	throughOurs   = venue{"through moq relay", throughRelay(relays[1])}
	throughTheirs = venue{"through moq-relay", throughRelay(relays[0])}
)

func throughRelay(r relay) func(t *testing.T, c clip, container media.ContainerKind) string {
	return func(t *testing.T, c clip, container media.ContainerKind) string {
		addr, _ := r.start(t)
		c.publish(t, addr, container, c.repeat()...)
		return addr
	}
}

// A showing is one clip in one container, watched through one venue.
type showing struct {
	clip      clip
	container media.ContainerKind
	venue     venue
}

// showings are those of each change; all there are make the long form.
func showings() []showing {
	if !thorough {
		return []showing{{h264AAC, media.Legacy, direct}, {tsPipe, media.Legacy, throughOurs}, {bFrames, media.CMAF, throughTheirs}, {vp9Opus, media.LOC, throughOurs}}
	}
	var all []showing
	for _, c := range []clip{h264AAC, tsPipe, bFrames, vp9Opus, av1} {
		for _, k := range containers {
			for _, s := range []venue{direct, throughOurs, throughTheirs} {
				all = append(all, showing{c, k, s})
			}
		}
	}
	return all
}

// A seen is what the player prints of what it plays; times are in milliseconds,
// those of picture and sound media times.
type seen struct {
	Complaint, Text string // of the page
	Done            bool

	MS          float64   // since the first picture and the first sound
	Shown       int       // pictures
	Different   int       // pictures, of those that were looked at
	Heard       float64   // how far the sound's clock has gone
	Differences []float64 // sound before picture, at each picture
}

// watch has @moq/watch play the film for some seconds, and returns what it
// printed.
func watch(t *testing.T, addr string, c clip, seconds int) []seen {
	t.Helper()
	need(t, "@moq/watch", getPackages, filepath.Join(peers, "node_modules", "@moq", "watch", "package.json"))
	args := []string{"--url", "https://" + addr, "--name", film, "--fingerprint", fingerprintAt(t, addr), "--seconds", strconv.Itoa(seconds), "--timeout", strconv.Itoa(seconds + 40)}
	if c.mute {
		args = append(args, "--no-audio")
	}
	player := browser(t, "browser/watch.mjs", args...)
	select {
	case <-player.exited:
	case <-time.After(time.Duration(seconds)*time.Second + limit):
	}
	player.succeed()
	return printed[seen](player)
}

// TestBrowserPlays has the ecosystem's player, in Chromium, play what we
// publish: each kind of source, in each container, from our server and through
// each relay. They come one after another, since a player that must wait for
// its turn drops what is late, as it should.
func TestBrowserPlays(t *testing.T) {
	const seconds = 3
	for _, s := range showings() {
		t.Run(fmt.Sprintf("%s as %s %s", s.clip.name, s.container, s.venue.name), func(t *testing.T) {
			all := watch(t, s.venue.show(t, s.clip, s.container), s.clip, seconds)
			for _, line := range all {
				if line.Complaint == "error" || line.Complaint == "exception" {
					t.Errorf("the page says %s", line.Text)
				}
			}
			last := all[len(all)-1]
			switch {
			case !last.Done:
				t.Fatalf("the player ended with %+v", last)
			case last.Shown < 5*seconds || last.Different < 3:
				t.Errorf("%d pictures in %d s, %d of them different", last.Shown, seconds, last.Different)
			case !s.clip.mute && last.Heard < last.MS/2:
				t.Errorf("%.0f ms of sound in %.0f ms", last.Heard, last.MS)
			}
			t.Log(inStep(all))
		})
	}
}

// TestBrowserStaysInStep has the player play for a minute what moq publishes
// through a relay, and compares the sound with the pictures.
func TestBrowserStaysInStep(t *testing.T) {
	if !thorough {
		t.Skip("takes a minute each: MOQ_INTEROP=full")
	}
	for _, s := range []showing{{h264AAC, media.Legacy, throughOurs}, {longPipe, media.Legacy, throughOurs}, {h264AAC, media.Legacy, throughTheirs}} {
		t.Run(s.clip.name+" "+s.venue.name, func(t *testing.T) {
			got := inStep(watch(t, s.venue.show(t, s.clip, s.container), s.clip, 60))
			t.Log(got)
			if got.n < 600 || got.median > 60 || got.most > 100 {
				t.Errorf("want at least 600 pictures, a median of 60 ms at most, and 100 ms in 95 %%")
			}
		})
	}
}

// A step is how far sound and pictures are apart, in milliseconds.
type step struct {
	n            int
	median, most float64 // most: of 95 % of the pictures
}

func (s step) String() string {
	return fmt.Sprintf("sound and picture differ by %.0f ms in the median of %d pictures, by at most %.0f ms in 95 %%", s.median, s.n, s.most)
}

func inStep(all []seen) step {
	var apart []float64
	for _, line := range all {
		for _, d := range line.Differences {
			apart = append(apart, max(d, -d))
		}
	}
	if len(apart) == 0 {
		return step{}
	}
	slices.Sort(apart)
	return step{len(apart), apart[len(apart)/2], apart[len(apart)*95/100]}
}
