package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// A scriptedTrack returns one result after another, then io.EOF.
type scriptedTrack struct {
	api.TrackReader
	results []error // nil is a group
}

func (r *scriptedTrack) AcceptGroup(context.Context) (api.GroupReader, error) {
	if len(r.results) == 0 {
		return nil, io.EOF
	}
	err := r.results[0]
	r.results = r.results[1:]
	if err != nil {
		return nil, err
	}
	return apitest.Group(0, nil, apitest.Frames("noon")...), nil
}

func (r *scriptedTrack) Close() error { return nil }

// TestGroups goes on after each restart, whatever caused it, and ends at any
// other error, which it yields unless it is io.EOF.
func TestGroups(t *testing.T) {
	restarted := &api.RestartError{Err: errors.New("the publisher was replaced")}
	cut := &api.RestartError{Err: fmt.Errorf("the connection was cut: %w", io.EOF)}
	lost := &api.SessionError{Err: io.EOF}
	for _, c := range []struct {
		name           string
		results        []error
		groups, errors int
	}{
		{"no restart", []error{nil, nil}, 2, 0},
		{"restarts", []error{nil, restarted, nil, restarted, nil}, 3, 2},
		{"a restart after a lost connection", []error{nil, cut, nil}, 2, 1},
		{"a lost connection", []error{nil, lost, nil}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			groups, told := 0, 0
			for g, err := range api.Groups(t.Context(), &scriptedTrack{results: c.results}) {
				switch {
				case err == nil && g != nil:
					groups++
				case err != nil && g == nil:
					told++
				default:
					t.Errorf("group %v with error %v", g, err)
				}
			}
			if groups != c.groups || told != c.errors {
				t.Errorf("%d groups and %d errors, want %d and %d", groups, told, c.groups, c.errors)
			}
		})
	}
}

// TestGroupsLeft asks for nothing more when the loop is left at a restart.
func TestGroupsLeft(t *testing.T) {
	r := &scriptedTrack{results: []error{&api.RestartError{}, nil}}
	for range api.Groups(t.Context(), r) {
		break
	}
	if len(r.results) != 1 {
		t.Errorf("%d results are left, want 1", len(r.results))
	}
}
