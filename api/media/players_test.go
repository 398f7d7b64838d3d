package media_test

import (
	"testing"
	"testing/synctest"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/mocks"
)

// TestCatalogIsAskedAsPlayersDo compares the subscription of Catalogs with those
// that real players made: the name of the catalog track and the priority.
func TestCatalogIsAskedAsPlayersDo(t *testing.T) {
	var v struct {
		Requests []struct {
			Player    string
			Subscribe []struct {
				Track    api.TrackName
				Priority api.Priority
			}
		}
	}
	vectors(t, "players.json", &v)
	if len(v.Requests) == 0 {
		t.Error("players.json has no player")
	}
	for _, player := range v.Requests {
		t.Run(player.Player, func(t *testing.T) {
			path := api.BroadcastPath("cam.hang")
			if player.Player == "broadcast named *.msf" {
				path = "cam.msf"
			}
			asks := player.Subscribe[0] // the catalog comes first
			synctest.Test(t, func(t *testing.T) {
				asked := mocks.NewMockSubscriber(gomock.NewController(t))
				asked.EXPECT().Subscribe(gomock.Any(), path, asks.Track, gomock.Cond(func(c *api.SubscribeConfig) bool {
					return c.Priority == asks.Priority && c.StartGroup == api.GroupLatest
				})).Return(apitest.Track(api.TrackInfo{}, nil), nil)
				for c, err := range media.Catalogs(t.Context(), apitest.Session(asked, apitest.Active(path)), path) {
					t.Errorf("%v, %v", c, err)
				}
			})
		})
	}
}
