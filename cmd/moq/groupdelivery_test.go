package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestGroupIsGivenUp checks each kind of source: after the subscriber has
// cancelled a group, the later groups still arrive completely, and serving
// does not fail.
func TestGroupIsGivenUp(t *testing.T) {
	const chunk = maxGroup / 16
	content := make([]byte, 3*maxGroup)
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(t *testing.T) (source, error){
		"pattern": func(*testing.T) (source, error) {
			return patternSource{pubFlags{groups: 3, frames: 16, size: chunk}}, nil
		},
		"file": func(*testing.T) (source, error) { return openFile(pubFlags{source: file, chunk: chunk}) },
		"standard input": func(t *testing.T) (source, error) {
			return newInput(t.Context(), bytes.NewReader(content), chunk, false), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, err := open(t)
				if err != nil {
					t.Fatal(err)
				}
				var counted counters
				served := make(chan error, 1)
				whole := readAllBut(t, 1, func(w api.TrackWriter) { served <- source.serve(w, &counted) })
				if err := <-served; err != nil || counted.givenUp.Load() != 1 || counted.groups.Load() != 2 {
					t.Errorf("served with error %v; %d groups given up, %d whole", err, counted.givenUp.Load(), counted.groups.Load())
				}
				slices.Sort(whole)
				if !slices.Equal(whole, []api.GroupSequence{0, 2}) {
					t.Errorf("whole groups: %v", whole)
				}
			})
		})
	}
}

// readAllBut subscribes to what serve writes, cancels one group and reads the
// others, which must be complete. It returns their numbers.
func readAllBut(t *testing.T, unwanted api.GroupSequence, serve api.TrackHandlerFunc) (whole []api.GroupSequence) {
	t.Helper()
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room", serve); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := session.Subscribe(t.Context(), "room", "data", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if g.Sequence() == unwanted {
			g.Cancel(api.StreamCancelled)
			continue
		}
		frames := 0
		for err = nil; err == nil; frames++ {
			err = g.ReadFrame(new(api.Frame))
		}
		if err != io.EOF || frames != 17 {
			t.Errorf("group %d ends in its frame %d: %v", g.Sequence(), frames, err)
		}
		whole = append(whole, g.Sequence())
	}
	return whole
}
