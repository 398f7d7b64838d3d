package announce

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// initialQuiet is how long a peer says nothing before the announcements that
	// it has made are taken for the complete initial set.
	initialQuiet = 400 * time.Millisecond

	// readSize is how much of a peer's announcements is read at a time.
	readSize = 4 << 10
)

// A Host is what a [Hearer] needs of the session of its stream.
type Host interface {
	// PeerSetup waits for the peer's SETUP, in versions that have one, and
	// returns what it says.
	PeerSetup() (api.PeerSetup, error)

	// LeftOut is called for each announcement that is left out since the limit
	// is reached; first tells whether it is the first one of the stream.
	LeftOut(prefix api.BroadcastPath, first bool)

	// Violation ends the session: the peer has broken the protocol.
	Violation(err error)

	// StreamEnd says by an error of package api how a stream has ended, given
	// the error of reading it: why the session has ended, if it has, and io.EOF
	// for an end in order.
	StreamEnd(err error) error
}

// Settings are what a [Hearer] follows.
type Settings struct {
	Version *message.Version
	Stream  *control.Stream   // on which the request has been written
	Prefix  api.BroadcastPath // the full path of what was asked for
	Wanted  api.BroadcastPath // the reader is told of what lies below
	Own     api.Hop           // this end's
	Limit   int               // how many announcements are kept
	Host    Host
}

// A Hearer follows a peer's announcements below a prefix, which the application
// reads from it. It takes them in as they come, so that a slow reader holds up
// nothing: what the reader has not received is merged.
type Hearer struct {
	api.AnnouncementReader
	Settings
	set     api.AnnouncementSet // what is announced, and can be used
	closing sync.Once

	barred map[api.BroadcastPath]struct{} // what is announced besides
	excess bool                           // something was left out
	ids    startIDs
	hop    api.Hop // the peer's, from ANNOUNCE_OK
	link   uint64  // the price of subscribing from the peer

	// The message that is being read.
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

// NewHearer returns a Hearer, for which the caller calls Run.
func NewHearer(s Settings) *Hearer {
	h := &Hearer{Settings: s}
	h.AnnouncementReader = h.set.Reader(string(s.Wanted))
	return h
}

// Close implements [api.AnnouncementReader]: it ends the stream, and with it Run.
func (h *Hearer) Close() error {
	h.closing.Do(func() {
		_ = h.AnnouncementReader.Close()
		_ = h.Stream.Close()
		h.Stream.CancelRead(uint64(api.StreamCancelled))
	})
	return nil
}

// Run reads announcements until the stream ends. Its end in order withdraws them;
// where the stream is lost, the reader is told of the loss alone, and may ask
// again.
func (h *Hearer) Run() {
	h.quiet = time.AfterFunc(initialQuiet, h.set.Complete)
	defer h.quiet.Stop()
	h.reads = h.Stream.UseBuffer(readSize)
	err := h.readAll()
	if errors.Is(err, errOrder) {
		h.Host.Violation(err)
	}
	if err = h.Host.StreamEnd(err); err == io.EOF {
		h.set.Clear()
		err = nil
	}
	h.set.End(err)
	h.Stream.Refuse(api.StreamCancelled)
}

// errOrder marks what breaks the order of announcements: fatal for the session.
var errOrder = errors.New("announcement")

func (h *Hearer) readAll() error {
	h.link = 1
	if h.Version.AnnounceOK {
		if err := h.readOK(); err != nil {
			return malformed(err)
		}
	}
	for {
		var err error
		if h.Version.AnnounceIDs {
			err = h.readTyped()
		} else {
			err = h.readPlain()
		}
		if err != nil {
			return malformed(err)
		}
		h.heard()
	}
}

// malformed marks the errors that are the peer's fault.
func malformed(err error) error {
	if errors.Is(err, message.ErrMalformed) || errors.Is(err, message.ErrTooLarge) {
		return fmt.Errorf("%w: %w", errOrder, err)
	}
	return err
}

// readOK reads what the peer says first: ANNOUNCE_OK (moq-lite-05 on).
func (h *Hearer) readOK() error {
	h.quiet.Stop()
	var ok message.AnnounceOK
	if err := h.Stream.Receive(&ok); err != nil {
		return err
	}
	// What subscribing through the peer costs is in its SETUP.
	peer, err := h.Host.PeerSetup()
	if err != nil {
		return err
	}
	if peer.Cost != nil {
		h.link = *peer.Cost
	}
	h.hop = peerHop(api.Hop(ok.Hop), peer.Hop)
	h.left = ok.Active
	expected := int(min(ok.Active, roomAtFirst))
	h.set.Grow(expected)
	if h.Version.AnnounceIDs {
		h.ids.grow(expected)
	}
	h.wait()
	return nil
}

// peerHop is the peer's hop: that of ANNOUNCE_OK, else that of SETUP. A peer that
// says neither gets a name for the time of this stream, so that chains through
// different peers stay apart.
func peerHop(answer, setup api.Hop) api.Hop {
	switch {
	case answer != 0:
		return answer
	case setup != 0:
		return setup
	default:
		return api.Hop(rand.Uint64N(1<<53-1) + 1)
	}
}

// heard counts an announcement. The peer was not quiet if it came in a read of
// its own: the timer is not set for each announcement.
func (h *Hearer) heard() {
	last := h.left == 1
	h.left = max(h.left, 1) - 1
	if last || h.seen != h.reads() {
		h.wait()
	}
}

// wait waits for quiet once more, and for longer while the peer's count, which
// is a hint, has not been reached.
func (h *Hearer) wait() {
	h.seen = h.reads()
	if h.left == 0 {
		h.quiet.Reset(initialQuiet)
	} else {
		h.quiet.Reset(5 * initialQuiet)
	}
}

// readPlain reads an ANNOUNCE (moq-lite-03 to 05).
func (h *Hearer) readPlain() error {
	m := &h.plain
	if err := h.Stream.Receive(m); err != nil {
		return err
	}
	path := h.Prefix.Join(api.BroadcastPath(m.Suffix))
	if m.Status == message.AnnounceEnded {
		h.withdraw(path)
		return nil
	}
	if h.leavesOut(path) {
		return nil
	}
	// Routes learned without costs are usable, but never preferred.
	a := api.Announcement{Path: path, Hops: h.hops(m.Hops, m.HopCount), Warm: h.link, Cold: maxCost}
	if h.Version.AnnounceReplaces {
		h.replace(a)
		return nil
	}
	return h.begin(a)
}

// readTyped reads an announcement of moq-lite-06. A type that is not known is
// skipped.
func (h *Hearer) readTyped() error {
	t, err := h.Stream.ReadType()
	if err != nil {
		return err
	}
	switch message.AnnounceType(t) {
	case message.AnnounceTypeStart:
		err = h.readStart()
	case message.AnnounceTypeEnd:
		err = h.readEnd()
	case message.AnnounceTypeUpdate:
		err = h.readUpdate()
	default:
		err = h.Stream.Skip()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a body was due
	}
	return err
}

// readStart reads an ANNOUNCE_START.
func (h *Hearer) readStart() error {
	m := &h.start
	if err := h.Stream.Receive(m); err != nil {
		return err
	}
	path := h.Prefix.Join(api.BroadcastPath(m.Suffix))
	if h.leavesOut(path) {
		h.ids.leaveOut()
		return nil
	}
	h.ids.add(path)
	return h.begin(h.route(path, m.Hops, m.Warm, m.Cold))
}

// readEnd reads an ANNOUNCE_END.
func (h *Hearer) readEnd() error {
	m := &h.end
	if err := h.Stream.Receive(m); err != nil {
		return err
	}
	path, ok := h.ids.remove(m.ID)
	switch {
	case !ok && h.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: end of the unknown id %d", errOrder, m.ID)
	}
	h.withdraw(path)
	return nil
}

// readUpdate reads an ANNOUNCE_UPDATE.
func (h *Hearer) readUpdate() error {
	m := &h.update
	if err := h.Stream.Receive(m); err != nil {
		return err
	}
	path, ok := h.ids.path(m.ID)
	switch {
	case !ok && h.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: update of the unknown id %d", errOrder, m.ID)
	}
	a := h.route(path, m.Hops, m.Warm, m.Cold)
	if !h.usable(a) || !h.set.Update(a) {
		h.replace(a)
	}
	return nil
}
