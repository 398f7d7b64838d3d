package impl

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/redial"
)

// NewRedialer returns a dialer whose sessions reconnect with dialer when their
// connection is lost: see package redial. The zero policy is usable. Sessions log by the
// Logger of a [*Client] where the policy has none.
func NewRedialer(dialer api.Dialer, policy redial.Policy) api.Dialer {
	return redial.New(dialer, policy)
}
