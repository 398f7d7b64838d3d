// Package send sends groups: it gathers the frames that writers write, decides in which
// order the groups of a session are sent, and passes them to the transport.
package send

import (
	"context"

	"github.com/moqlite/moqlite/transport"
)

// A Host is what a [Queue] needs of its session. Its methods may be called at any time
// and by several goroutines at once.
type Host interface {
	// OpenUniStream opens the stream of a group. It blocks, until ctx ends, while the
	// peer allows no more streams.
	OpenUniStream(ctx context.Context) (transport.SendStream, error)

	// Spawn runs f in a goroutine of the session. It reports false when the session
	// has ended.
	Spawn(f func()) bool

	// Lost translates the error of a stream, or of opening one, to one of package
	// api. If the connection was lost, it ends the session first, which calls
	// [Queue.Stop].
	Lost(err error) error

	// NoGroups is called when the last group is over. The lock of the queue is held:
	// it must neither block nor call the queue.
	NoGroups()
}
