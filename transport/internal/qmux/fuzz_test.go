package qmux

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// check returns an error if the counters of the connection are inconsistent:
// what a peer can make it keep, or the sum of all credit.
func (c *Conn) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared.Err() != nil {
		return nil
	}
	var unread, rings uint64
	var open [2]uint64 // of the peer's, by kind
	for id, s := range c.streams {
		if (id&idServer == 0) != c.client {
			open[id&idUni/idUni]++
		}
		if r := &s.recvStream; r.stream != nil {
			unread += uint64(r.Unread())
			rings += uint64(r.Held())
			if r.offset > r.max || r.max+r.owed > r.window+r.offset-uint64(r.Unread()) {
				return fmt.Errorf("stream %d: %d came of %d, %d are owed, %d unread", id, r.offset, r.max, r.owed, r.Unread())
			}
		}
		if s := &s.sendStream; s.stream != nil && (s.offset > s.max || len(s.pending()) > sendBuffer) {
			return fmt.Errorf("stream %d: %d sent of %d, %d wait", id, s.offset, s.max, len(s.pending()))
		}
	}
	window := c.local.MaxData
	switch {
	case c.received > c.recvMax || c.sent > c.sendMax:
		return fmt.Errorf("%d came of %d, %d were sent of %d", c.received, c.recvMax, c.sent, c.sendMax)
	case c.recvMax+c.owed != window+c.received-unread:
		return fmt.Errorf("window %d: %d came of %d, %d are owed, %d unread", window, c.received, c.recvMax, c.owed, unread)
	case rings > 4*window+uint64(len(c.streams)*waiting.KeepRing):
		return fmt.Errorf("%d streams have %d bytes for %d", len(c.streams), rings, unread)
	case c.out.control.Len() > maxControl+2*len(c.streams)+1:
		return fmt.Errorf("%d control frames of %d streams", c.out.control.Len(), len(c.streams))
	case len(c.pings.answers) > maxAnswers || len(c.out.datagrams) > maxDatagrams || c.shared.Datagrams() > maxDatagrams:
		return fmt.Errorf("%d answers, %d datagrams out, %d in", len(c.pings.answers), len(c.out.datagrams), c.shared.Datagrams())
	}
	for kind, m := range []*incomingLimit{&c.inBidi, &c.inUni} {
		limit := []uint64{c.local.StreamsBidi, c.local.StreamsUni}[kind]
		if n := open[kind] + uint64(len(m.unseen)) + m.retired + m.max - m.next; n != limit {
			return fmt.Errorf("kind %d: %d open, %d skipped, %d retired, %d of %d used: not %d",
				kind, open[kind], len(m.unseen), m.retired, m.next, m.max, limit)
		}
	}
	return nil
}

// What a script of FuzzConn says.
const (
	opRaw   = iota // the peer sends a message
	opFrame        // a frame
	opData         // a STREAM frame that continues its stream
	opAcceptBidi
	opAcceptUni
	opOpenBidi
	opOpenUni
	opRead
	opCancelRead
	opWrite
	opClose
	opCancelWrite
	opPriority
	opDatagram
	opWait
	ops
)

// frameKinds are those that a script names.
var frameKinds = []frameType{
	frameStream, frameResetStream, frameStopSending, frameMaxData, frameMaxStreamData, frameMaxStreamsBidi,
	frameMaxStreamsUni, frameDataBlocked, frameStreamDataBlocked, frameStreamsBlockedBidi, framePingRequest,
	framePingResponse, frameDatagramLen, framePadding, frameResetStreamAt, frameParams, frameApplicationClose,
}

// FuzzConn plays a script of what a peer sends and the application does. The
// connection may end, but must not panic, hang, keep more than it granted,
// lose credit, or leave anything behind.
func FuzzConn(f *testing.F) {
	vs, drafts := vectors(f)
	for i, v := range vs {
		if b := unhex(f, v.Hex); len(b) < 256 {
			f.Add(append([]byte{byte(drafts[i]), opRaw, byte(len(b))}, b...))
		}
	}
	for start := range byte(12) {
		f.Add([]byte{start, opData, 2, 9, opData, 2, 200, opAcceptUni, opRead, 0, 50, opData, 2, 255, opRead, 0, 255, opWait})
		f.Add([]byte{start, opData, 0, 30, opAcceptBidi, opWrite, 0, 200, opFrame, 2, 0, 1, 1, opCancelRead, 0, opClose, 0})
		f.Add([]byte{start, opOpenBidi, opOpenUni, opWrite, 0, 255, opWrite, 1, 255, opPriority, 1, 3, opWait, opFrame, 2, 1, 9, 9, opCancelWrite, 1})
		f.Add([]byte{start, opFrame, 1, 4, 7, 200, opFrame, 1, 8, 7, 0, opAcceptBidi, opAcceptBidi, opRead, 0, 1, opCancelWrite, 0, opWait, opData, 8, 1})
		f.Add([]byte{start, opFrame, 10, 0, 0, 1, opFrame, 12, 0, 0, 1, opDatagram, opDatagram, opWait, opFrame, 16, 0, 5, 5})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 0 {
			synctest.Test(t, func(t *testing.T) { playScript(t, script[0], script[1:]) })
		}
	})
}

// playScript plays a script. start selects the draft, the side, and whether
// the peer reads.
func playScript(t *testing.T, start byte, script []byte) {
	o := options(Version(start%3), start/3%2 == 1, &Config{StreamWindow: 600, ConnWindow: 1000, MaxStreams: 3, MaxUniStreams: 3})
	var p *rawPeer
	if start/6%2 == 1 {
		p = deaf(t, o)
	} else {
		p = newPeer(t, o)
	}
	limits := generous
	limits.MaxData, limits.StreamDataUni, limits.StreamDataRemote, limits.StreamDataLocal = 5000, 300, 300, 300
	limits.StreamsBidi, limits.StreamsUni = 4, 4
	p.params(limits)
	if err := p.conn.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &player{peer: p, conn: p.conn.Transport(), rest: script, sent: make(map[uint64]uint64)}
	for len(s.rest) > 0 {
		s.step()
		if err := p.conn.check(); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	if err := p.conn.check(); err != nil {
		t.Fatal(err)
	}
	cause := context.Cause(p.conn.Context())
	if _, ok := errors.AsType[*transport.ConnError](cause); cause != nil && !ok {
		t.Errorf("ended with %v", cause)
	}
	began := time.Now()
	_ = s.conn.CloseWithError(0, "")
	if took := time.Since(began); took > 2*linger {
		t.Errorf("the close took %v", took)
	}
}

// A player plays a script.
type player struct {
	peer *rawPeer
	conn transport.Conn
	rest []byte
	sent map[uint64]uint64 // bytes of data, by stream
	out  []transport.SendStream
	in   []transport.ReceiveStream
}

// next is the next byte of the script, and zero after it.
func (s *player) next() (b byte) {
	if len(s.rest) > 0 {
		b, s.rest = s.rest[0], s.rest[1:]
	}
	return b
}

func (s *player) step() {
	switch op := s.next() % ops; op {
	case opRaw:
		n := min(int(s.next()), len(s.rest))
		s.peer.send(s.rest[:n])
		s.rest = s.rest[n:]
	case opFrame:
		f := frame{kind: frameKinds[int(s.next())%len(frameKinds)], id: uint64(s.next() & 0x1f)}
		f.code, f.value = uint64(s.next()), uint64(s.next())*3
		s.peer.put(f)
	case opData:
		id, n := uint64(s.next()&0x1f), uint64(s.next())
		f := frame{kind: frameStream, id: id, offset: s.sent[id], data: make([]byte, n), fin: n%8 == 7}
		s.sent[id] += n
		s.peer.put(f)
	case opWait:
		time.Sleep(time.Second)
	default:
		s.act(op)
	}
}

// act performs a call of the application.
func (s *player) act(op byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	soon := time.Now().Add(time.Millisecond)
	switch op {
	case opAcceptBidi:
		b, err := s.conn.AcceptStream(ctx)
		s.take(b, b, err)
	case opAcceptUni:
		r, err := s.conn.AcceptUniStream(ctx)
		s.take(nil, r, err)
	case opOpenBidi:
		b, err := s.conn.OpenStream(ctx)
		s.take(b, b, err)
	case opOpenUni:
		w, err := s.conn.OpenUniStream(ctx)
		s.take(w, nil, err)
	case opDatagram:
		if d, ok := s.conn.(transport.DatagramConn); ok {
			_ = d.SendDatagram(make([]byte, 10))
			_, _ = d.ReceiveDatagram(ctx)
		}
	case opRead, opCancelRead:
		i, n := int(s.next()), s.next()
		if len(s.in) == 0 {
			return
		}
		r := s.in[i%len(s.in)]
		if op == opCancelRead {
			r.CancelRead(uint64(n))
			return
		}
		_ = r.SetReadDeadline(soon)
		_, _ = r.Read(make([]byte, n))
	default:
		i, n := int(s.next()), s.next()
		if len(s.out) == 0 {
			return
		}
		s.write(s.out[i%len(s.out)], op, n, soon)
	}
}

func (s *player) write(w transport.SendStream, op, n byte, soon time.Time) {
	switch op {
	case opWrite:
		_ = w.SetWriteDeadline(soon)
		_, _ = w.Write(make([]byte, int(n)*4))
	case opClose:
		_ = w.Close()
	case opCancelWrite:
		w.CancelWrite(uint64(n))
	case opPriority:
		w.(transport.Prioritizer).SetPriority(int8(n), n%2 == 0)
	}
}

func (s *player) take(w transport.SendStream, r transport.ReceiveStream, err error) {
	if err != nil {
		return
	}
	if w != nil {
		s.out = append(s.out, w)
	}
	if r != nil {
		s.in = append(s.in, r)
	}
}
