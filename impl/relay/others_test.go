package relay_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestGivenToOthers: a publisher makes groups for each of its subscribers, which are two
// relays. The viewers of each are told which numbers went to the other, at once although
// groups are rare, and nothing is fetched. Ordered passes over them.
func TestGivenToOthers(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				writers := make(chan api.TrackWriter, 2)
				err := mux.Publish(t.Context(), "room", api.TrackFuncs{
					Serve: func(w api.TrackWriter) {
						writers <- w
						<-w.Context().Done()
					},
					Fetch: func(w api.GroupWriter, req api.FetchRequest) {
						t.Errorf("group %d was fetched", req.Group)
						w.Cancel(api.StreamNotFound)
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				var viewers []api.TrackReader
				var to []api.TrackWriter
				for range 2 {
					server, _ := startRelay()
					defer server.Close()
					dial(t, server, v, mux)
					time.Sleep(time.Second)
					viewers = append(viewers, subscribe(t, dial(t, server, v, nil), nil))
					to = append(to, <-writers)
				}
				var writing sync.WaitGroup
				defer writing.Wait()
				writing.Go(func() {
					for n := range 12 { // 0 is for the first, 1 and 2 for the second, 3 for the first, …
						g, err := to[(n%3+1)/2%2].OpenGroup(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						writeNumber(g)
						time.Sleep(500 * time.Millisecond)
					}
				})
				time.Sleep(1600 * time.Millisecond) // 3 was just written
				synctest.Wait()
				if got := fmt.Sprint(viewers[0].Gaps()); got != "[{1 3 reset by the peer: given to another subscriber}]" {
					t.Errorf("gaps %s", got)
				}
				var got []api.GroupSequence
				for g, err := range api.Ordered(t.Context(), viewers[1], nil) {
					if err != nil {
						t.Error(err)
						break
					}
					if got = append(got, g.Sequence()); len(got) == 6 {
						break
					}
				}
				if want := []api.GroupSequence{1, 2, 4, 5, 7, 8}; !slices.Equal(got, want) {
					t.Errorf("groups %v, want %v", got, want)
				}
			})
		})
	}
}
