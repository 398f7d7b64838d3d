package main

import (
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
)

// patience is how long a command waits for a broadcast before it says so: one
// that is announced is there sooner.
const patience = 500 * time.Millisecond

// sayWaiting prints that the command waits for a broadcast, unless done is
// called soon. When done has returned, nothing is printed any more.
func (o *options) sayWaiting(path api.BroadcastPath) (done func()) {
	printed := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		fmt.Fprintf(o.err, "waiting for %s\n", path)
		close(printed)
	})
	return func() {
		if !timer.Stop() {
			<-printed
		}
	}
}
