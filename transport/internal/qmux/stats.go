package qmux

import (
	"time"

	"github.com/moqlite/moqlite/transport"
)

// pingInterval is how often the round-trip time is measured.
const pingInterval = 5 * time.Second

var errIdle = timeoutError{}

// A timeoutError says that the peer has been silent for too long.
type timeoutError struct{}

func (timeoutError) Error() string   { return "nothing comes from the peer" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return false }

// A pinger asks for signs of life, and how long they are under way.
type pinger struct {
	timer   *time.Timer
	idle    time.Duration // after which the peer is gone
	heard   time.Time     // when the last message came
	asked   time.Time     // when the latest ping was sent; zero: it is answered
	due     bool          // a ping is to be sent
	next    uint64        // of the ping to send
	latest  uint64        // number of the peer's, and whether there was one
	pinged  bool
	answers []uint64 // to be sent
}

// maxAnswers is how many pings of the peer wait for an answer. More of them are
// not answered.
const maxAnswers = 32

// start begins with pings once the peer's parameters are known.
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
	p.timer = time.AfterFunc(0, c.tick)
}

func (c *Conn) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.pings
	switch {
	case c.err != nil:
		return
	case time.Since(p.heard) >= p.idle:
		c.end(&transport.ConnError{Err: errIdle}, nil)
		return
	}
	p.due = true
	c.cond.Signal()
	p.timer.Reset(min(pingInterval, max(p.idle/4, time.Millisecond)))
}

// ping asks.
func (c *Conn) ping() frame {
	p := &c.pings
	f := frame{kind: framePingRequest, value: p.next}
	p.due, p.asked = false, time.Now()
	p.next++
	return f
}

func (p *pinger) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// onPing answers a ping.
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

// onPong measures.
func (c *Conn) onPong(number uint64) error {
	p := &c.pings
	if number >= p.next {
		return errUnaskedPong
	}
	if number != p.next-1 || p.asked.IsZero() {
		return nil
	}
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

// Stats counts messages as packets. What the carrier does below, resending and
// congestion control, is not visible here.
func (c *Conn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}
