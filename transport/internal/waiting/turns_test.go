package waiting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTurnsComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			turns Turns
			over  = make(chan struct{})
			log   []string
		)
		await := func(ctx context.Context, name string) {
			go func() {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, fmt.Sprint(name, " ", turns.Await(ctx, &mu, over)))
			}()
			synctest.Wait()
		}
		next := func() bool {
			defer synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return turns.Next()
		}
		if next() {
			t.Error("a turn is taken where nobody waits")
		}
		leaving, leave := context.WithCancelCause(t.Context())
		await(t.Context(), "first")
		await(leaving, "leaves")
		await(t.Context(), "second")
		await(t.Context(), "third")
		leave(errors.New("left"))
		synctest.Wait()
		if !next() || !next() {
			t.Error("a turn is not taken")
		}
		close(over)
		synctest.Wait()
		want := []string{"leaves left", "first <nil>", "second <nil>", "third <nil>"}
		if !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
		if turns.Waiting() {
			t.Error("somebody waits still")
		}
	})
}
