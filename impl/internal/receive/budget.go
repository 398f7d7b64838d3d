package receive

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// streamWindow is how many bytes of a stream can arrive unread: the initial flow control
// window that the transports have by default.
const streamWindow = 512 << 10

// readGrace is how long a group may be parked before it may be dropped: a reader that is
// busy with a frame, or about to accept a group, is not behind.
const readGrace = 250 * time.Millisecond

// A Budget bounds what the parked groups of a session hold: their bytes in memory and
// those in their streams, since the windows of all streams are part of the connection's.
// Control messages that have not arrived whole count too (messages.go).
//
// How much has arrived on a stream is only known by reading it. As long as the budget
// would hold even if every stream were full, nothing is done; otherwise the groups are
// weighed (weigh.go), and dropped while what they hold exceeds the limit.
type Budget struct {
	host      Host
	version   *message.Version
	began     time.Time
	frameSize uint64
	limit     uint64
	server    *ServerBudget // nil for none

	held     atomic.Uint64 // the weights of the parked groups together, and messages
	messages atomic.Uint64 // bytes of control messages that have not arrived whole
	dropped  atomic.Uint64 // number of groups that were not read in time
	wide     atomic.Int32  // number of parked groups whose streams can hold more than their weight
	open     atomic.Int32  // number of groups that are not finished
	due      atomic.Bool   // weighGroups is due or runs

	mu     sync.Mutex
	shares []*Share // those that have groups, or may get more
}

// Init sets up the budget of a session, before any other method.
func (b *Budget) Init(h Host, o Options) {
	b.host, b.version, b.began, b.frameSize = h, o.Version, o.Began, o.FrameSize
	b.limit, b.server = o.Bytes, o.Server
	if b.server != nil {
		b.server.join(b)
	}
}

// Leave removes the budget from that of its server, when the session has ended.
func (b *Budget) Leave() {
	if b.server != nil {
		b.server.leave(b)
	}
}

// now is the time since the session began. It costs half of what time.Now does.
func (b *Budget) now() time.Duration { return time.Since(b.began) }

// Open returns the number of groups that are not finished.
func (b *Budget) Open() int { return int(b.open.Load()) }

// Dropped returns the number of groups that were dropped because they were not read in
// time.
func (b *Budget) Dropped() uint64 { return b.dropped.Load() }

// join adds a share.
func (b *Budget) join(s *Share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares = append(b.shares, s)
}

// forget removes a share that has no groups and gets no more.
func (b *Budget) forget(s *Share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.shares, s)
	b.shares = slices.Delete(b.shares, i, i+1)
}

// all returns the shares.
func (b *Budget) all() []*Share {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.shares)
}

// most is how much the budget holds if the streams of the parked groups are full.
func (b *Budget) most() uint64 {
	return b.held.Load() + uint64(max(b.wide.Load(), 0))*streamWindow
}

// allowed is how much the budget may hold now.
func (b *Budget) allowed() uint64 {
	if b.server == nil {
		return b.limit
	}
	return min(b.limit, b.server.allows(b.held.Load()))
}

// makeRoom drops parked groups until the budget holds no more than it may, by its own limit
// and by that of the server. It reports false if it still holds more and no group may be
// dropped yet.
func (b *Budget) makeRoom() bool {
	for {
		limit := b.allowed()
		if b.held.Load() <= limit {
			return true
		}
		g := b.candidate(limit)
		if g == nil {
			return false
		}
		g.share.drop(g)
	}
}

// candidate returns the group to drop when limit is exceeded: of the shares that hold more
// than an equal part of what messages leave of it, and have a group that has been parked
// for readGrace, it takes the one that holds most; of these groups, the oldest that the
// application has not got, or else the oldest. candidate returns nil while there is none.
func (b *Budget) candidate(limit uint64) *Group {
	limit -= min(limit, b.messages.Load()) // some share holds more than its part of the rest
	var found []offered
	holders := uint64(0)
	for _, s := range b.all() {
		o, holds := s.offer(b.now())
		if holds {
			holders++
		}
		if o.group != nil {
			found = append(found, o)
		}
	}
	var most offered
	for _, o := range found {
		if o.held > limit/max(holders, 1) && o.held > most.held {
			most = o
		}
	}
	return most.group
}

// An offered group is the one of a share that is dropped first.
type offered struct {
	group *Group // nil for none
	held  uint64 // what the share holds
}

// offer returns the group of the share that is dropped first. holds reports whether any is
// parked.
func (s *Share) offer(now time.Duration) (o offered, holds bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.held = s.held
	for g := s.newest; g != nil; g = g.older {
		if g.state != parked {
			continue
		}
		holds = true
		if now-g.parkedAt >= readGrace && (o.group == nil || g.before(o.group)) {
			o.group = g
		}
	}
	return o, holds
}

// before reports whether g is dropped rather than other, which has the same holder.
func (g *Group) before(other *Group) bool {
	if handed := g.handed.Load(); handed != other.handed.Load() {
		return !handed
	}
	return g.seq < other.seq
}
