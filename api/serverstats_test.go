package api_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestServerStatsHaveAllCounts checks that what a session counts is in the sums of its
// server, unless a sum says nothing.
func TestServerStatsHaveAllCounts(t *testing.T) {
	server := reflect.TypeFor[api.ServerStats]()
	for f := range reflect.TypeFor[api.SessionStats]().Fields() {
		if f.Type == reflect.TypeFor[time.Duration]() || f.Name == "EstimatedBitrate" {
			continue
		}
		if same, ok := server.FieldByName(f.Name); !ok || same.Type != f.Type {
			t.Errorf("ServerStats has no %s of type %s", f.Name, f.Type)
		}
	}
}
