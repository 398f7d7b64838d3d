package memconn

import (
	"bytes"
	"time"

	"github.com/moqlite/moqlite/transport"
)

type frameKind uint8

const (
	frameData       frameKind = iota // data for recv
	frameFin                         // the end of recv's stream
	frameReset                       // a reset of recv's stream, with code
	frameStop                        // a refusal of send's stream, with code
	frameCredit                      // n more bytes for send's stream
	frameConnCredit                  // n more bytes for the connection
	frameUniCredit                   // one more unidirectional stream
	frameBidiCredit                  // one more bidirectional stream
	frameDatagram                    // a datagram in data
	frameClose                       // the end of the connection, with end
)

// A frame is a message from one end to the other.
type frame struct {
	kind frameKind
	recv *recvStream
	send *sendStream
	data []byte
	n    int
	code uint64
	end  *transport.ConnError
}

// send delivers f to the peer after the delay. It does not keep f.data. After
// the end of this side only frameClose is sent.
func (c *Conn) send(f frame) {
	if c.shared.Err() != nil && f.kind != frameClose {
		return
	}
	c.stats.PacketsSent++
	c.stats.BytesSent += uint64(len(f.data))
	if c.config.OneWayDelay <= 0 {
		c.peer.receive(f)
		return
	}
	f.data = bytes.Clone(f.data)
	c.path.push(f, time.Now().Add(c.config.OneWayDelay), c.arrive)
}

// receive handles a frame of the peer.
func (c *Conn) receive(f frame) {
	if c.shared.Err() != nil {
		return
	}
	c.stats.PacketsReceived++
	c.stats.BytesReceived += uint64(len(f.data))
	switch f.kind {
	case frameData:
		f.recv.in.announce()
		f.recv.Data(f.data, false)
	case frameFin:
		f.recv.in.announce()
		f.recv.Data(nil, true)
	case frameReset:
		f.recv.in.announce()
		f.recv.Reset(f.code)
	case frameStop:
		f.send.onStop(f.code)
	case frameCredit:
		f.send.onCredit(f.n)
	case frameConnCredit:
		c.credit += f.n
		c.wakeFirst()
	case frameUniCredit:
		c.openUni.Grow()
	case frameBidiCredit:
		c.openBidi.Grow()
	case frameDatagram:
		c.shared.OfferDatagram(f.data)
	case frameClose:
		c.end(f.end)
	}
}

// arrive is called by the timer of path. It delivers the frames whose delay
// has passed.
func (c *Conn) arrive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for now := time.Now(); c.path.due(now); {
		f := c.path.pop()
		if f.kind == frameDatagram {
			c.floating--
		}
		c.peer.receive(f)
	}
	c.path.schedule()
}

// A path holds delayed frames in order. It uses a timer and no goroutine.
type path struct {
	frames []timedFrame
	timer  *time.Timer
}

type timedFrame struct {
	frame
	at time.Time
}

// push adds a frame that is due at a time. The timer then calls arrive.
func (p *path) push(f frame, at time.Time, arrive func()) {
	p.frames = append(p.frames, timedFrame{f, at})
	if len(p.frames) > 1 {
		return
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(at), arrive)
		return
	}
	p.schedule()
}

func (p *path) due(now time.Time) bool {
	return len(p.frames) > 0 && !p.frames[0].at.After(now)
}

func (p *path) pop() frame {
	f := p.frames[0].frame
	p.frames[0] = timedFrame{}
	p.frames = p.frames[1:]
	return f
}

// schedule sets the timer for the first frame.
func (p *path) schedule() {
	if len(p.frames) > 0 {
		p.timer.Reset(time.Until(p.frames[0].at))
	}
}

// stop drops all frames.
func (p *path) stop() {
	p.frames = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}
