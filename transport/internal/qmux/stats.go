package qmux

import (
	"time"

	"github.com/moqlite/moqlite/transport"
)

// pingInterval is the longest time between two pings, which measure the
// round-trip time.
const pingInterval = 5 * time.Second

var errIdle = timeoutError{}

// A timeoutError is the cause when the peer has been silent for the idle
// timeout.
type timeoutError struct{}

func (timeoutError) Error() string   { return "nothing comes from the peer" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return false }

// A pinger keeps track of the pings in both directions.
type pinger struct {
	timer   *time.Timer
	idle    time.Duration // the peer is considered lost after it
	heard   time.Time     // when the last message arrived
	asked   time.Time     // when the last ping was sent; zero if it was answered
	due     bool          // a ping is to be sent
	next    uint64        // number of the next ping
	latest  uint64        // number of the peer's last ping; valid if pinged
	pinged  bool
	answers []uint64 // pings of the peer to be answered
}

// maxAnswers is how many pings of the peer may wait for an answer. Further
// ones get none.
const maxAnswers = 32

// startPings starts the pings once the peer's parameters are known.
func (c *Conn) startPings() {
	if !c.version.records() {
		return
	}
	p := &c.pings
	p.idle = c.local.IdleTimeout
	if theirs := c.peer.IdleTimeout; theirs > 0 {
		p.idle = min(p.idle, theirs)
	}
	p.heard = time.Now()
	// The first ping goes out at once: it measures the round-trip time for the
	// first Stats.
	p.timer = time.AfterFunc(0, c.tick)
}

// tick is called by the pings' timer. It ends the connection if the peer was silent
// for the idle timeout, and otherwise has the writer send a ping: several in each
// idle timeout, so that a peer that lives is heard in time.
func (c *Conn) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.pings
	switch {
	case c.shared.Err() != nil:
		return
	case time.Since(p.heard) >= p.idle:
		c.end(&transport.ConnError{Err: errIdle}, nil)
		return
	}
	p.due = true
	c.cond.Signal()
	p.timer.Reset(min(pingInterval, max(p.idle/4, time.Millisecond)))
}

// ping returns the frame of the next ping.
func (c *Conn) ping() frame {
	p := &c.pings
	f := frame{kind: framePingRequest, value: p.next}
	p.due, p.asked = false, time.Now()
	p.next++
	return f
}

// stop stops the timer when the connection ends.
func (p *pinger) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// onPing handles a ping of the peer.
func (c *Conn) onPing(number uint64) error {
	p := &c.pings
	if c.version >= Version02 && p.pinged && number <= p.latest {
		return errPingOrder
	}
	p.latest, p.pinged = number, true
	if len(p.answers) < maxAnswers {
		p.answers = append(p.answers, number)
		c.cond.Signal()
	}
	return nil
}

// onPong handles the answer to a ping, and updates the round-trip time.
func (c *Conn) onPong(number uint64) error {
	p := &c.pings
	if number >= p.next {
		return errUnaskedPong
	}
	// Only the latest ping is timed. An answer to an earlier one is late, but no
	// violation.
	if number != p.next-1 || p.asked.IsZero() {
		return nil
	}
	// The averages of RFC 9002, section 5.3.
	sample := max(time.Since(p.asked), 1)
	p.asked = time.Time{}
	s := &c.stats
	if s.RTT == 0 {
		s.MinRTT, s.RTT, s.RTTVar = sample, sample, sample/2
		return nil
	}
	s.MinRTT = min(s.MinRTT, sample)
	s.RTTVar = (3*s.RTTVar + (s.RTT - sample).Abs()) / 4
	s.RTT = (7*s.RTT + sample) / 8
	return nil
}

// Stats returns the counters. Messages count as packets. Retransmissions and
// congestion control happen in the carrier and are not included.
func (c *Conn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}
