package session

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// initialQuiet is how long a peer says nothing before the announcements
	// that it has told are taken for the complete initial set.
	initialQuiet = 400 * time.Millisecond

	// announceBuffer is how much of a peer's announcements is read at a time.
	announceBuffer = 4 << 10
)

// interest follows the peer's announcements below a prefix. It takes them in
// as they come, so that a slow reader holds up nothing: the set coalesces.
type interest struct {
	api.AnnouncementReader
	session *Session
	stream  *control.Stream
	prefix  api.BroadcastPath
	set     api.AnnouncementSet // what is announced, and can be used
	closing sync.Once

	barred map[api.BroadcastPath]struct{} // what is announced besides
	excess bool                           // something was left out
	ids    startIDs
	hop    api.Hop // the peer's, from ANNOUNCE_OK
	link   uint64  // the price of subscribing from the peer

	// What is being read.
	plain  message.Announce
	start  message.AnnounceStart
	update message.AnnounceUpdate
	end    message.AnnounceEnd
	chain  []api.Hop

	quiet *time.Timer
	reads func() int // counts reads of the stream
	seen  int        // how many there were when the timer was set
	left  uint64     // announcements until the count in ANNOUNCE_OK is reached
}

// Close implements [api.AnnouncementReader].
func (in *interest) Close() error {
	in.closing.Do(func() {
		_ = in.AnnouncementReader.Close()
		_ = in.stream.Close()
		in.stream.CancelRead(uint64(api.StreamCancelled))
	})
	return nil
}

// run reads announcements until the stream ends. In order, that withdraws them;
// where the stream is lost, the reader is told that alone, and may ask again.
func (in *interest) run() {
	in.quiet = time.AfterFunc(initialQuiet, in.set.Complete)
	defer in.quiet.Stop()
	in.reads = in.stream.UseBuffer(announceBuffer)
	s := in.session
	err := in.readAll()
	if errors.Is(err, errAnnouncement) {
		s.violation(err)
	}
	err = s.heed(err)
	switch {
	case s.isOver():
		err = s.err()
	case err == io.EOF:
		in.set.Clear()
		err = nil
	}
	in.set.End(err)
	in.stream.Refuse(api.StreamCancelled)
}

// errAnnouncement marks what breaks the order of announcements: fatal for the
// session.
var errAnnouncement = errors.New("announcement")

func (in *interest) readAll() error {
	in.link = 1
	if in.session.version.AnnounceOK {
		if err := in.readOK(); err != nil {
			return malformedAnnouncement(err)
		}
	}
	for {
		var err error
		if in.session.version.AnnounceIDs {
			err = in.readTyped()
		} else {
			err = in.readPlain()
		}
		if err != nil {
			return malformedAnnouncement(err)
		}
		in.told()
	}
}

// readOK reads what the peer says first.
func (in *interest) readOK() error {
	in.quiet.Stop()
	var ok message.AnnounceOK
	if err := in.stream.Receive(&ok); err != nil {
		return err
	}
	// What subscribing through the peer costs is in its SETUP.
	if err := in.session.WaitForSetup(in.session.Context()); err != nil {
		return err
	}
	peer := in.session.State().Peer
	if peer.Cost != nil {
		in.link = *peer.Cost
	}
	// A peer that does not say who it is gets a name for the time of this
	// stream, so that chains through it stay apart.
	in.hop = orDefault(orDefault(api.Hop(ok.Hop), peer.Hop), api.Hop(rand.Uint64N(1<<53-1)+1))
	in.left = ok.Active
	expected := int(min(ok.Active, toldAtOnce))
	in.set.Grow(expected)
	if in.session.version.AnnounceIDs {
		in.ids.grow(expected)
	}
	in.wait()
	return nil
}

// told counts an announcement. The peer was not quiet if it came in a read of
// its own: the timer is not set for each.
func (in *interest) told() {
	last := in.left == 1
	in.left = max(in.left, 1) - 1
	if last || in.seen != in.reads() {
		in.wait()
	}
}

// wait waits for quiet once more, and for longer while the peer's count, which
// is a hint, has not been reached.
func (in *interest) wait() {
	in.seen = in.reads()
	if in.left == 0 {
		in.quiet.Reset(initialQuiet)
	} else {
		in.quiet.Reset(5 * initialQuiet)
	}
}

// malformedAnnouncement marks the errors that are the peer's fault.
func malformedAnnouncement(err error) error {
	if errors.Is(err, message.ErrMalformed) || errors.Is(err, message.ErrTooLarge) {
		return fmt.Errorf("%w: %w", errAnnouncement, err)
	}
	return err
}

// readPlain reads an announcement of moq-lite-03 to 05.
func (in *interest) readPlain() error {
	m := &in.plain
	if err := in.stream.Receive(m); err != nil {
		return err
	}
	path := in.prefix.Join(api.BroadcastPath(m.Suffix))
	if m.Status == message.AnnounceEnded {
		in.withdraw(path)
		return nil
	}
	if in.leavesOut(path) {
		return nil
	}
	// Routes learned without costs are usable, but never preferred.
	a := api.Announcement{Path: path, Hops: in.hops(m.Hops, m.HopCount), Warm: in.link, Cold: maxCost}
	if in.session.version.AnnounceReplaces {
		in.replace(a)
		return nil
	}
	return in.begin(a)
}

// readTyped reads an announcement of moq-lite-06.
func (in *interest) readTyped() error {
	t, err := in.stream.ReadType()
	if err != nil {
		return err
	}
	switch message.AnnounceType(t) {
	case message.AnnounceTypeStart:
		err = in.readStart()
	case message.AnnounceTypeEnd:
		err = in.readEnd()
	case message.AnnounceTypeUpdate:
		err = in.readUpdate()
	default:
		err = in.stream.Skip()
	}
	return unfinished(err)
}

func (in *interest) readStart() error {
	m := &in.start
	if err := in.stream.Receive(m); err != nil {
		return err
	}
	path := in.prefix.Join(api.BroadcastPath(m.Suffix))
	if in.leavesOut(path) {
		in.ids.leaveOut()
		return nil
	}
	in.ids.add(path)
	return in.begin(in.route(path, m.Hops, m.Warm, m.Cold))
}

func (in *interest) readEnd() error {
	m := &in.end
	if err := in.stream.Receive(m); err != nil {
		return err
	}
	path, ok := in.ids.remove(m.ID)
	switch {
	case !ok && in.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: end of the unknown id %d", errAnnouncement, m.ID)
	}
	in.withdraw(path)
	return nil
}

func (in *interest) readUpdate() error {
	m := &in.update
	if err := in.stream.Receive(m); err != nil {
		return err
	}
	path, ok := in.ids.path(m.ID)
	switch {
	case !ok && in.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: update of the unknown id %d", errAnnouncement, m.ID)
	}
	a := in.route(path, m.Hops, m.Warm, m.Cold)
	if !in.usable(a) || !in.set.Update(a) {
		in.replace(a)
	}
	return nil
}

// leavesOut tells whether a broadcast that the peer announces is not kept, since
// as many are as may be. A peer that passes on what others announce, each within
// bounds, has done nothing wrong.
func (in *interest) leavesOut(path api.BroadcastPath) bool {
	s := in.session
	if in.set.Len()+len(in.barred) < s.limits.Announcements {
		return false
	}
	_, barred := in.barred[path]
	if _, known := in.set.Get(path); known || barred {
		return false
	}
	s.mu.Lock()
	s.unheard++
	s.mu.Unlock()
	if !in.excess {
		in.excess = true
		s.opts.Logger.Warn("announcements are left out: the peer has announced more than Limits.Announcements",
			"limit", s.limits.Announcements, "prefix", string(in.prefix), "remote", s.conn.State().Remote)
	}
	return true
}

// route is what a peer with costs announces, as it reaches us.
func (in *interest) route(path api.BroadcastPath, ids []uint64, warm, cold uint64) api.Announcement {
	return api.Announcement{Path: path, Hops: in.hops(ids, 0), Warm: addCost(warm, in.link), Cold: addCost(cold, in.link)}
}

// hops is the chain of a route as it reaches us, the peer included: count zeros
// where the version has no more. It is valid until the next call.
func (in *interest) hops(ids []uint64, count uint64) []api.Hop {
	if !in.session.version.HopIDs {
		if uint64(len(in.chain)) != count {
			in.chain = make([]api.Hop, count)
		}
		return in.chain
	}
	in.chain = in.chain[:0]
	for _, id := range ids {
		in.chain = append(in.chain, api.Hop(id))
	}
	if !in.session.version.SenderInHops {
		in.chain = append(in.chain, in.hop)
	}
	return in.chain
}

// usable tells whether a route is not one that has come back to us in a loop,
// nor too long for others to take.
func (in *interest) usable(a api.Announcement) bool {
	return !slices.Contains(a.Hops, in.session.opts.Hop) && len(a.Hops) <= message.MaxHops && a.Path.Validate() == nil
}

// begin takes in a route to what must not be announced already.
func (in *interest) begin(a api.Announcement) error {
	_, again := in.barred[a.Path]
	if in.usable(a) {
		again = again || !in.set.Add(a)
	} else {
		again = in.set.Remove(a.Path) || again
		in.bar(a.Path)
	}
	if again {
		return fmt.Errorf("%w of %q, which is announced already", errAnnouncement, string(a.Path))
	}
	return nil
}

// replace takes in a route to what may be announced already: of one origin it
// is an update, of another one a restart.
func (in *interest) replace(a api.Announcement) {
	switch {
	case !in.usable(a):
		in.withdraw(a.Path)
		in.bar(a.Path)
	case in.origin(a.Path) == a.Origin() && in.set.Update(a):
	default:
		in.withdraw(a.Path)
		in.set.Put(a)
	}
}

// origin is that of what is announced at path; 0 where nothing is.
func (in *interest) origin(path api.BroadcastPath) api.Hop {
	a, _ := in.set.Get(path)
	return a.Origin()
}

func (in *interest) bar(path api.BroadcastPath) {
	if in.barred == nil {
		in.barred = make(map[api.BroadcastPath]struct{})
	}
	in.barred[path] = struct{}{}
}

func (in *interest) withdraw(path api.BroadcastPath) {
	delete(in.barred, path)
	in.set.Remove(path)
}

func addCost(a, b uint64) uint64 { return min(min(a, maxCost)+min(b, maxCost), maxCost) }
