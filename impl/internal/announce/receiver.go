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

// A Host is what a [Receiver] needs of its session.
type Host interface {
	// PeerSetup waits for the peer's SETUP and returns it. In versions without SETUP
	// it returns at once.
	PeerSetup() (api.PeerSetup, error)

	// LeftOut is called for each announcement that is left out because Limit is
	// reached. first is set for the first one of the stream.
	LeftOut(prefix api.BroadcastPath, first bool)

	// MayAnnounce reports whether the peer may announce a full path. What it may not
	// is dropped, and Refused is called.
	MayAnnounce(path api.BroadcastPath) bool
	Refused(path api.BroadcastPath)

	// Own is called for each announcement that is not used since it has come
	// through this end's own hop.
	Own(path api.BroadcastPath)

	// Violation ends the session because the peer has broken the protocol.
	Violation(err error)

	// StreamEnd translates the error of reading the stream to one of package api. It
	// returns why the session has ended, if it has, and io.EOF if the peer has ended
	// the stream normally.
	StreamEnd(err error) error
}

// Settings are the settings of a [Receiver]. All are required.
type Settings struct {
	Version *message.Version
	Stream  *control.Stream   // ANNOUNCE_REQUEST was written to it
	Prefix  api.BroadcastPath // the full path of the request's prefix
	Wanted  api.BroadcastPath // the application gets the broadcasts at and below this path
	Own     api.Hop           // this end's hop id
	Limit   int               // how many announcements are kept
	Host    Host
}

// A Receiver reads a peer's announcements on one Announce stream and is the application's
// [api.AnnouncementReader] of them. Run reads them as they arrive, so that a slow reader
// delays nothing: changes that the reader has not received are merged.
type Receiver struct {
	api.AnnouncementReader
	Settings
	set     api.AnnouncementSet // the announced broadcasts whose route is usable
	closing sync.Once

	barred map[api.BroadcastPath]struct{} // the announced broadcasts whose route is not, and those that the peer may not announce
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

// NewReceiver returns a Receiver. The caller calls its Run.
func NewReceiver(s Settings) *Receiver {
	r := &Receiver{Settings: s}
	r.AnnouncementReader = r.set.Reader(string(s.Wanted))
	return r
}

// Close implements [api.AnnouncementReader]: it ends the stream, and with it Run.
func (r *Receiver) Close() error {
	r.closing.Do(func() {
		_ = r.AnnouncementReader.Close()
		_ = r.Stream.Close()
		r.Stream.CancelRead(uint64(api.StreamCancelled))
	})
	return nil
}

// Run reads announcements until the stream ends. If the peer ends it normally, that
// withdraws all announcements. If it is lost, the reader gets only the error.
func (r *Receiver) Run() {
	r.quiet = time.AfterFunc(initialQuiet, r.set.Complete)
	defer r.quiet.Stop()
	r.reads = r.Stream.UseBuffer(readSize)
	err := r.readAll()
	if errors.Is(err, errOrder) {
		r.Host.Violation(err)
	}
	// A peer that ends the stream publishes nothing more below the prefix. After
	// a loss it may still publish everything: the reader has to ask the next
	// session.
	if err = r.Host.StreamEnd(err); err == io.EOF {
		r.set.Clear()
		err = nil
	}
	r.set.End(err)
	r.Stream.Refuse(api.StreamCancelled)
}

// errOrder marks errors that end the session: the announcements are malformed or in an
// order that is not allowed.
var errOrder = errors.New("announcement")

// readAll reads messages until the stream ends or one of them is not allowed, and
// returns why: never nil, and io.EOF where the peer has ended the stream between two
// messages.
func (r *Receiver) readAll() error {
	// What a peer costs that states no cost (moq-lite-06, SETUP).
	r.link = 1
	if r.Version.AnnounceOK {
		if err := r.readOK(); err != nil {
			return malformed(err)
		}
	}
	for {
		var err error
		if r.Version.AnnounceIDs {
			err = r.readTyped()
		} else {
			err = r.readPlain()
		}
		if err != nil {
			return malformed(err)
		}
		r.countReceived()
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
func (r *Receiver) readOK() error {
	// However long the peer takes to answer, its initial set is not complete
	// before.
	r.quiet.Stop()
	var ok message.AnnounceOK
	if err := r.Stream.Receive(&ok); err != nil {
		return err
	}
	// SETUP has the cost of subscribing from the peer.
	peer, err := r.Host.PeerSetup()
	if err != nil {
		return err
	}
	if peer.Cost != nil {
		r.link = *peer.Cost
	}
	r.hop = peerHop(api.Hop(ok.Hop), peer.Hop)
	r.left = ok.Active
	// The count is the peer's word: a large one reserves no more memory than
	// that.
	expected := int(min(ok.Active, roomAtFirst))
	r.set.Grow(expected)
	if r.Version.AnnounceIDs {
		r.ids.grow(expected)
	}
	r.restartTimer()
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

// countReceived counts an announcement. It restarts the timer only if the stream was read
// since the timer was set, and not for each of several announcements in one read.
func (r *Receiver) countReceived() {
	last := r.left == 1
	r.left = max(r.left, 1) - 1
	if last || r.seen != r.reads() {
		r.restartTimer()
	}
}

// restartTimer restarts the timer that completes the initial set. The time is longer
// while fewer announcements have arrived than ANNOUNCE_OK has counted; that count is only
// a hint.
func (r *Receiver) restartTimer() {
	r.seen = r.reads()
	if r.left == 0 {
		r.quiet.Reset(initialQuiet)
	} else {
		r.quiet.Reset(5 * initialQuiet)
	}
}

// readPlain reads an ANNOUNCE (moq-lite-03 to 05).
func (r *Receiver) readPlain() error {
	m := &r.plain
	if err := r.Stream.Receive(m); err != nil {
		return err
	}
	path := r.Prefix.Join(api.BroadcastPath(m.Suffix))
	if m.Status == message.AnnounceEnded {
		r.withdraw(path)
		return nil
	}
	if r.leavesOut(path) {
		return nil
	}
	// A route without costs gets the highest cold cost: it is usable, but never
	// preferred.
	a := api.Announcement{Path: path, Hops: r.hops(m.Hops, m.HopCount), Warm: r.link, Cold: maxCost}
	if r.Version.AnnounceReplaces {
		r.replace(a)
		return nil
	}
	return r.startBroadcast(a)
}

// readTyped reads an announcement of moq-lite-06. It skips one of an unknown type.
func (r *Receiver) readTyped() error {
	t, err := r.Stream.ReadType()
	if err != nil {
		return err
	}
	switch message.AnnounceType(t) {
	case message.AnnounceTypeStart:
		err = r.readStart()
	case message.AnnounceTypeEnd:
		err = r.readEnd()
	case message.AnnounceTypeUpdate:
		err = r.readUpdate()
	default:
		err = r.Stream.Skip()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the body is missing
	}
	return err
}

// readStart reads an ANNOUNCE_START.
func (r *Receiver) readStart() error {
	m := &r.start
	if err := r.Stream.Receive(m); err != nil {
		return err
	}
	path := r.Prefix.Join(api.BroadcastPath(m.Suffix))
	if r.leavesOut(path) {
		r.ids.leaveOut()
		return nil
	}
	r.ids.addPath(path)
	return r.startBroadcast(r.route(path, m.Hops, m.Warm, m.Cold))
}

// readEnd reads an ANNOUNCE_END.
func (r *Receiver) readEnd() error {
	m := &r.end
	if err := r.Stream.Receive(m); err != nil {
		return err
	}
	path, ok := r.ids.removeID(m.ID)
	switch {
	case !ok && r.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: end of the unknown id %d", errOrder, m.ID)
	}
	r.withdraw(path)
	return nil
}

// readUpdate reads an ANNOUNCE_UPDATE.
func (r *Receiver) readUpdate() error {
	m := &r.update
	if err := r.Stream.Receive(m); err != nil {
		return err
	}
	path, ok := r.ids.path(m.ID)
	switch {
	case !ok && r.ids.mayBeLeftOut(m.ID):
		return nil
	case !ok:
		return fmt.Errorf("%w: update of the unknown id %d", errOrder, m.ID)
	}
	a := r.route(path, m.Hops, m.Warm, m.Cold)
	if !r.usable(a) || !r.set.Update(a) {
		r.replace(a)
	}
	return nil
}
