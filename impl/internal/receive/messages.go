package receive

import "github.com/moqlite/moqlite/impl/internal/message"

// messagePart tells which part of a budget those control messages may take that have not
// arrived whole: the limit divided by messagePart, or two of the largest messages if that
// is more. Parked groups are dropped to make room for them.
const messagePart = 4

var _ message.Room = (*Budget)(nil)

// Take implements [message.Room].
func (b *Budget) Take(n int) bool {
	size := uint64(n)
	if b.messages.Add(size) > max(b.limit/messagePart, 2*message.MaxBody) {
		b.messages.Add(-size)
		return false
	}
	held := b.held.Add(size)
	if b.server != nil && held > b.server.allows(held) {
		b.Give(n)
		return false
	}
	b.check()
	return true
}

// Give implements [message.Room].
func (b *Budget) Give(n int) {
	b.messages.Add(-uint64(n))
	b.held.Add(-uint64(n))
}
