package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"

	"example.com/consumer/cmd/internal/testrelay"
)

// A world has a relay in memory, and a recorder.
type world struct {
	*testing.T
	relay *testrelay.Relay
	dir   string
}

// inWorld runs a test in a bubble, where time costs nothing.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(&world{t, testrelay.New(t), dir}) })
}

// record starts a recorder.
func (w *world) record(limit int64) (stop func() error) {
	ctx, cancel := context.WithCancel(w.Context())
	r := &recorder{url: testrelay.URL, prefix: "room", tracks: "log,state", dir: w.dir, limit: limit}
	done := make(chan error, 1)
	go func() { done <- r.run(ctx, w.relay.Client()) }()
	return func() error { cancel(); return <-done }
}

// A publisher has a log that anybody may miss nothing of.
type publisher struct {
	*live.Track
	stop  func() // in order, a while after the end of the log
	crash func()
}

// publish starts a publisher.
func (w *world) publish(path api.BroadcastPath) publisher {
	var room live.Broadcast
	log := room.Track("log", api.TrackInfo{MaxLatency: time.Hour})
	mux := api.NewTrackMux()
	if err := mux.Publish(w.Context(), path, &room); err != nil {
		w.Fatal(err)
	}
	client := w.relay.Client()
	if _, err := impl.NewRedialer(client, redial.Policy{}).Dial(w.Context(), testrelay.URL, mux); err != nil {
		w.Fatal(err)
	}
	return publisher{Track: log, stop: func() {
		_ = room.Close()
		time.Sleep(5 * time.Second)
		if err := client.Shutdown(w.Context()); err != nil {
			w.Error(err)
		}
	}, crash: func() { _ = client.Close() }}
}

// write writes a group.
func (p publisher) write(w *world, texts ...string) {
	w.Helper()
	var frames []api.Frame
	for _, text := range texts {
		frames = append(frames, api.Frame{Timestamp: p.Info().Timestamp(time.Now()), Payload: []byte(text)})
	}
	if err := api.WriteGroup(w.Context(), p.Track, frames...); err != nil {
		w.Error(err)
	}
}

// files returns the lines of all files, by their names.
func (w *world) files() map[string][]string {
	w.Helper()
	found := make(map[string][]string)
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		file, err := os.Open(filepath.Join(w.dir, e.Name()))
		if err != nil {
			w.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var l line
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				w.Errorf("%s: %v", e.Name(), err)
			}
			what := string(l.Payload)
			if l.Lost != "" {
				what = "lost"
			}
			found[e.Name()] = append(found[e.Name()], fmt.Sprintf("%d.%d %s", l.Group, l.Frame, what))
		}
		_ = file.Close()
	}
	return found
}

// expect expects the lines of each file, in the order of their names, and that
// all files are whole.
func (w *world) expect(want ...[]string) {
	w.Helper()
	files := w.files()
	var got [][]string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".jsonl") {
			w.Errorf("%s is not whole", name)
		}
		got = append(got, files[name])
	}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		w.Errorf("recorded %q, want %q", got, want)
	}
}

func TestGroupsInOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		log := w.publish("room/a@b")
		for i := range 10 {
			log.write(w, fmt.Sprint("a", i), fmt.Sprint("b", i))
		}
		stop := w.record(1 << 20)
		time.Sleep(5 * time.Second)
		const name = "room%2Fa%40b@log@20000101T000000Z-1.jsonl"
		if files := w.files(); len(files) != 1 || files[name+".part"] == nil {
			t.Errorf("files: %q", files)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		if w.files()[name] == nil {
			t.Errorf("files at the end: %q", w.files())
		}
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("%d.0 a%d", i, i), fmt.Sprintf("%d.1 b%d", i, i))
		}
		w.expect(want)
		log.stop()
	})
}

// TestTellsLosses has groups that are given up, and one that breaks off.
func TestTellsLosses(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.record(1 << 20)()
		log := w.publish("room/1")
		time.Sleep(time.Second)
		log.write(w, "a")
		if err := log.WriteGap(api.Gap{Start: 1, End: 2}); err != nil {
			t.Error(err)
		}
		log.write(w, "b")
		group, err := log.OpenGroup(w.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = group.WriteFrame(api.Frame{Payload: []byte("c")})
		time.Sleep(time.Second)
		group.Cancel(api.StreamInternal)
		log.write(w, "d")
		time.Sleep(5 * time.Second)
		log.stop()
		time.Sleep(5 * time.Second)
		w.expect([]string{
			"0.0 a", "1.0 lost", "2.0 b", "3.0 c", "3.1 lost", "4.0 d",
		})
	})
}

// TestFilesOfALimitedSize has a second one begin within a group.
func TestFilesOfALimitedSize(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.record(120)
		log := w.publish("room/1")
		time.Sleep(time.Second)
		log.write(w, "a", "b", "c", "d", "e")
		time.Sleep(time.Second)
		_ = stop()
		w.expect([]string{"0.0 a", "0.1 b"}, []string{"0.2 c", "0.3 d"}, []string{"0.4 e"})
		log.stop()
	})
}

// TestPublisherRestarts has the last group of each publisher, and a file for each.
func TestPublisherRestarts(t *testing.T) {
	for _, away := range []time.Duration{0, 10 * time.Second, 5 * time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.record(1 << 20)()
				for range 3 {
					log := w.publish("room/1")
					time.Sleep(time.Second)
					log.write(w, "a")
					time.Sleep(time.Second)
					log.write(w, "the last")
					log.stop()
					time.Sleep(away)
				}
				time.Sleep(5 * time.Minute)
				life := []string{"0.0 a", "1.0 the last"}
				w.expect(life, life, life)
			})
		})
	}
}

// TestPublisherCrashes has a file for each of its lives too: the last one's is not
// written again when that has ended.
func TestPublisherCrashes(t *testing.T) {
	for _, away := range []time.Duration{0, 10 * time.Second, 5 * time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.record(1 << 20)()
				for i := range 3 {
					log := w.publish("room/1")
					log.write(w, "a")
					time.Sleep(time.Second)
					log.write(w, "the last")
					time.Sleep(time.Second)
					if i == 2 {
						log.stop()
						break
					}
					log.crash()
					time.Sleep(away)
				}
				time.Sleep(5 * time.Minute)
				life := []string{"0.0 a", "1.0 the last"}
				w.expect(life, life, life)
			})
		})
	}
}

// TestRelayRestarts has each frame once, of small groups and of an open one, and
// once the publisher has ended nothing again.
func TestRelayRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.record(1 << 20)()
		log := w.publish("room/1")
		var want []string
		group, err := log.OpenGroup(w.Context())
		for i := range 5 {
			for j := range uint64(5) {
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("%d-%d", i, j)
				err = group.WriteFrame(api.Frame{Payload: []byte(text)})
				want = append(want, fmt.Sprintf("0.%d %s", i*5+int(j), text))
				time.Sleep(700 * time.Millisecond)
			}
			w.relay.Stop()
			time.Sleep(time.Duration(i) * 3 * time.Second)
			w.relay.Start()
			time.Sleep(time.Minute) // until the longest pause between two dials is over
		}
		_ = group.Close()
		for i := range 10 {
			log.write(w, "a")
			want = append(want, fmt.Sprintf("%d.0 a", i+1))
		}
		time.Sleep(10 * time.Second)
		log.stop()
		time.Sleep(10 * time.Second)
		w.expect(want)
	})
}

// TestLongNames are those of a peer, which must not end the recorder.
func TestLongNames(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.record(1 << 20)
		long := api.BroadcastPath("room/" + strings.Repeat("ü", 1000))
		a, b := w.publish(long+"a"), w.publish(long+"b")
		a.write(w, "a")
		b.write(w, "a")
		time.Sleep(time.Second)
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.expect([]string{"0.0 a"}, []string{"0.0 a"})
		a.stop()
		b.stop()
	})
}

// TestFileThatCannotBeWritten ends the recorder.
func TestFileThatCannotBeWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.dir = filepath.Join(w.dir, "missing")
		stop := w.record(1 << 20)
		log := w.publish("room/1")
		log.write(w, "a")
		time.Sleep(5 * time.Second)
		if err := stop(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("run: %v", err)
		}
		log.stop()
	})
}
