package api_test

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

func TestConfigRefusesNegativeTimes(t *testing.T) {
	for name, c := range map[string]*api.Config{
		"SetupTimeout": {SetupTimeout: -time.Second},
		"LeaveTimeout": {LeaveTimeout: -time.Second},
	} {
		if c.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := (&api.Config{LeaveTimeout: time.Second}).Validate(); err != nil {
		t.Error(err)
	}
}
