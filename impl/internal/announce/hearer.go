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
	// initialQuiet is how long nothing arrives before the announcements so far are
	// taken for the complete initial set.
	initialQuiet = 400 * time.Millisecond

	// readSize is the size of the buffer that announcements are read into.
	readSize = 4 << 10
)

// A Host is what a [Hearer] needs of its session.
type Host interface {
	// PeerSetup waits for the peer's SETUP and returns it. In versions without SETUP
	// it returns at once.
	PeerSetup() (api.PeerSetup, error)

	// LeftOut is called for each announcement that is left out because Limit is
	// reached. first is set for the first one of the stream.
	LeftOut(prefix api.BroadcastPath, first bool)

	// Violation ends the session because the peer has broken the protocol.
	Violation(err error)

	// StreamEnd translates the error of reading the stream to one of package api. It
	// returns why the session has ended, if it has, and io.EOF if the peer has ended
	// the stream normally.
	StreamEnd(err error) error
}

// Settings are the settings of a [Hearer]. All are required.
type Settings struct {
	Version *message.Version
	Stream  *control.Stream   // ANNOUNCE_REQUEST was written to it
	Prefix  api.BroadcastPath // the full path of the request's prefix
	Wanted  api.BroadcastPath // the application gets the broadcasts at and below this path
	Own     api.Hop           // this end's hop id
	Limit   int               // how many announcements are kept
	Host    Host
}

// A Hearer reads a peer's announcements on one Announce stream and is the application's
// [api.AnnouncementReader] of them. Run reads them as they arrive, so that a slow reader
// delays nothing: changes that the reader has not received are merged.
type Hearer struct {
	api.AnnouncementReader
	Settings
	set     api.AnnouncementSet // the announced broadcasts whose route is usable
	closing sync.Once

	barred map[api.BroadcastPath]struct{} // the announced broadcasts whose route is not
	excess bool                           // an announcement was left out
	ids    startIDs
	hop    api.Hop // the peer's hop id
	link   uint64  // cost of subscribing from the peer

	// Reused for each message.
	plain  message.Announce
	start  message.AnnounceStart
	update message.AnnounceUpdate
	end    message.AnnounceEnd
	chain  []api.Hop

	quiet *time.Timer // completes the initial set
	reads func() int  // returns the number of reads from the stream
	seen  int         // what reads returned when the timer was set
	left  uint64      // announcements still expected by the count in ANNOUNCE_OK
}

// NewHearer returns a Hearer. The caller calls its Run.
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

// Run reads announcements until the stream ends. If the peer ends it normally, that
// withdraws all announcements. If it is lost, the reader gets only the error.
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

// errOrder marks errors that end the session: the announcements are malformed or in an
// order that is not allowed.
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

// malformed marks the errors of decoding with errOrder.
func malformed(err error) error {
	if errors.Is(err, message.ErrMalformed) || errors.Is(err, message.ErrTooLarge) {
		return fmt.Errorf("%w: %w", errOrder, err)
	}
	return err
}

// readOK reads ANNOUNCE_OK, the first message in moq-lite-05 and 06.
func (h *Hearer) readOK() error {
	h.quiet.Stop()
	var ok message.AnnounceOK
	if err := h.Stream.Receive(&ok); err != nil {
		return err
	}
	// SETUP has the cost of subscribing from the peer.
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

// peerHop returns the peer's hop id: that of ANNOUNCE_OK, else that of SETUP. If neither
// has one it returns a random id, so that routes through different peers differ.
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

// heard counts an announcement. It restarts the timer only if the stream was read since
// the timer was set, and not for each of several announcements in one read.
func (h *Hearer) heard() {
	last := h.left == 1
	h.left = max(h.left, 1) - 1
	if last || h.seen != h.reads() {
		h.wait()
	}
}

// wait restarts the timer that completes the initial set. The time is longer while fewer
// announcements have arrived than ANNOUNCE_OK has counted; that count is only a hint.
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
	// A route without costs gets the highest cold cost: it is usable, but never
	// preferred.
	a := api.Announcement{Path: path, Hops: h.hops(m.Hops, m.HopCount), Warm: h.link, Cold: maxCost}
	if h.Version.AnnounceReplaces {
		h.replace(a)
		return nil
	}
	return h.begin(a)
}

// readTyped reads an announcement of moq-lite-06. It skips one of an unknown type.
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
		err = io.ErrUnexpectedEOF // the body is missing
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
