package redial_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestTrackRefusedWithoutAReason: a track that is reset with "internal error"
// before any of its groups has come may be refused by a peer that gives no
// reason. Its end is reported soon, and it is not asked for again until
// ResumeTimeout is over.
func TestTrackRefusedWithoutAReason(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			_ = w.CloseWithError(api.StreamInternal)
		}); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}}
		s := dial(t, client, server.URL, quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := s.Subscribe(ctx, "room", "video", nil)
		if err == nil {
			defer r.Close()
			_, err = r.AcceptGroup(ctx)
		}
		reset, ok := errors.AsType[*api.StreamError](err)
		if !ok || reset.Code != api.StreamInternal || time.Since(began) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
