package api_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/wire"
)

// TestReadmeIsCompiled finds each Go snippet of the README in this file, where
// the compiler reads it.
func TestReadmeIsCompiled(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := flatten(string(source))
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the README has no snippets")
	}
	for _, block := range blocks {
		snippet, _, _ := strings.Cut(block, "```")
		if !strings.Contains(compiled, flatten(snippet)) {
			t.Errorf("not compiled:\n%s", snippet)
		}
	}
}

// flatten leaves the indentation out.
func flatten(code string) string {
	var lines []string
	for line := range strings.Lines(code) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

func publishClock(ctx context.Context, client api.Client) error {
	mux := api.NewTrackMux()
	err := mux.PublishFunc(ctx, "room/clock", func(w api.TrackWriter) {
		for now := range time.Tick(time.Second) {
			group, err := w.OpenGroup(w.Context())
			if err != nil {
				return // the subscriber has left
			}
			_ = group.WriteFrame(api.Frame{Timestamp: uint64(now.UnixMilli()), Payload: []byte(now.String())})
			_ = group.Close()
		}
	})
	if err != nil {
		return err
	}
	_, err = client.Dial(ctx, "https://relay.example.com/?jwt=TOKEN", mux)
	return err
}

func printClock(ctx context.Context, client api.Client) error {
	session, err := client.Dial(ctx, "https://relay.example.com", nil)
	if err != nil {
		return err
	}
	track, err := session.Subscribe(ctx, "room/clock", "time", nil)
	if err != nil {
		return err // errors.Is(err, api.ErrNotFound), …
	}
	defer track.Close()
	for group, err := range api.Groups(ctx, track) {
		if errors.Is(err, api.ErrRestarted) {
			continue // on a session that lasts: what follows is numbered anew
		}
		if err != nil {
			return err
		}
		for frame, err := range api.Frames(ctx, group, nil) {
			if err != nil {
				break // this group broke off; the next one may be whole
			}
			fmt.Printf("%s\n", frame.Payload)
		}
	}
	return nil
}

func buildClients(network *memconn.Network) {
	byScheme := &impl.Client{}
	webTransport, cleanup := wire.NewWebTransportClient(wire.Options{})
	inMemory, cleanupToo := wire.NewMemoryClient(wire.Options{Network: network})

	_, _, _, _, _ = byScheme, webTransport, cleanup, inMemory, cleanupToo
}

func dialLasting(ctx context.Context, client api.Client, mux *api.TrackMux) (api.Session, error) {
	lasting := impl.NewRedialer(client, redial.Policy{})
	session, err := lasting.Dial(ctx, "https://relay.example.com", mux)
	return session, err
}

func TestPrintsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no sleeps, no ports
		ctrl := gomock.NewController(t)
		client, session := mocks.NewMockClient(ctrl), mocks.NewMockSession(ctrl)
		noon := apitest.Group(7, nil, apitest.Frames("noon")...)
		client.EXPECT().Dial(gomock.Any(), "https://relay.example.com", nil).Return(session, nil)
		session.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room/clock"), api.TrackName("time"), nil).
			Return(apitest.Track(api.TrackInfo{}, nil, noon), nil)
		if err := printClock(t.Context(), client); err != nil {
			t.Error(err)
		}
	})
}

// TestClockOfALastingSession prints on after a restart.
func TestClockOfALastingSession(t *testing.T) {
	ctrl := gomock.NewController(t)
	client, session := mocks.NewMockClient(ctrl), mocks.NewMockSession(ctrl)
	track := &scriptedTrack{results: []error{nil, &api.RestartError{}, nil}}
	client.EXPECT().Dial(gomock.Any(), gomock.Any(), nil).Return(session, nil)
	session.EXPECT().Subscribe(gomock.Any(), gomock.Any(), gomock.Any(), nil).Return(track, nil)
	if err := printClock(t.Context(), client); err != nil || len(track.results) != 0 {
		t.Errorf("%v with %d results unread", err, len(track.results))
	}
}

func TestClockInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		server := moqtest.NewServer(mux) // a real server, in memory
		defer server.Close()
		session, err := server.Client().Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v := session.State().Version; v != api.Lite06 {
			t.Errorf("negotiated %s", v)
		}
	})
}

var _, _, _ = publishClock, buildClients, dialLasting
