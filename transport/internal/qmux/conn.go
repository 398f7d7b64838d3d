package qmux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
	"github.com/moqlite/moqlite/transport/internal/tlsalert"
)

const (
	// linger is how long a close waits for the peer to read it.
	linger = 400 * time.Millisecond

	// codeViolation is Qmux's error code for a protocol violation.
	codeViolation = 1002

	// maxReason bounds the reason of a close in bytes, so that it fits in a
	// message.
	maxReason = 4096
)

// A Conn is one end of a connection.
type Conn struct {
	// Set by New. Once ready is closed, state has the protocol, and peer below
	// does not change any more.
	carrier Carrier
	version Version
	client  bool
	config  Config
	state   transport.State
	ready   chan struct{} // closed when the peer's parameters have arrived
	done    chan struct{} // closed when the goroutines have ended and the carrier is closed

	mu     sync.Mutex
	shared streams.Conn
	cond   sync.Cond   // the writer has something to do, or the connection has ended
	last   []frame     // the frames that tell the peer about the end
	force  *time.Timer // closes the carrier when the close lingers too long

	local, peer Params
	peerKnown   bool
	offered     []string // protocols to negotiate in the parameters

	openBidi, openUni limiter
	inBidi, inUni     incomingLimit
	ages              uint64             // counts streams, for sendStream.age
	streams           map[uint64]*stream // streams with at least one open half, by id

	// Flow control of the connection, in bytes since its start.
	sendMax, sent uint64 // credit for the data of all streams, and how much was sent
	recvMax       uint64 // the limit for received that was granted to the peer
	received      uint64 // how much has arrived on all streams
	owed          uint64 // bytes read for which the peer has no new credit yet
	grantData     bool   // the writer is to send MAX_DATA

	out      outbox
	schedule scheduler
	pace     pace
	pings    pinger
	stats    transport.Stats
	readers  sync.WaitGroup
}

var _ interface {
	transport.Conn
	transport.StatsConn
} = (*Conn)(nil)

// New starts a connection over carrier, which it owns. Streams may be opened
// once Ready has returned.
func New(carrier Carrier, o Options) *Conn {
	c := &Conn{
		carrier: carrier,
		version: o.Version,
		client:  o.Client,
		config:  o.Config.withDefaults(),
		state:   o.State,
		offered: o.Protocols,
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
		streams: make(map[uint64]*stream),
	}
	c.cond.L = &c.mu
	c.shared.Init(&c.mu)
	c.local = o.params(&c.config)
	c.recvMax = c.local.MaxData
	c.inBidi.max, c.inUni.max = c.local.StreamsBidi, c.local.StreamsUni
	c.out.control.Push(frame{kind: frameParams, data: c.local.append(nil, o.Version)})
	c.readers.Go(c.read)
	go c.write()
	return c
}

// Ready waits for the peer's transport parameters. It ends the connection and
// returns an error if ctx ends first or the peer supports none of the
// protocols.
func (c *Conn) Ready(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-c.Context().Done():
		if c.isReady() {
			return nil // the peer has spoken Qmux, and closed: its close says why
		}
	case <-ctx.Done():
		c.mu.Lock()
		c.end(&transport.ConnError{Err: context.Cause(ctx)}, nil)
		c.mu.Unlock()
	}
	<-c.done
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return context.Cause(c.Context())
}

// isReady tells whether the peer's transport parameters have come.
func (c *Conn) isReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// Transport returns c, with datagrams if the peer accepts them.
func (c *Conn) Transport() transport.Conn {
	if c.version.records() && c.peer.MaxDatagram > 0 {
		return &datagramConn{c}
	}
	return c
}

// OpenStream opens a bidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Open(ctx, &c.openBidi.Limit, c.full()); err != nil {
		return nil, err
	}
	return c.newStream(false, c.peer.StreamDataRemote, c.local.StreamDataLocal), nil
}

// OpenUniStream opens a unidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Open(ctx, &c.openUni.Limit, c.full()); err != nil {
		return nil, err
	}
	return &c.newStream(true, c.peer.StreamDataUni, 0).sendStream, nil
}

// AcceptStream waits for the next bidirectional stream of the peer.
func (c *Conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	return c.shared.AcceptStream(ctx)
}

// AcceptUniStream waits for the next unidirectional stream of the peer.
func (c *Conn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	return c.shared.AcceptUniStream(ctx)
}

// CloseWithError ends the connection. It waits until the peer has read the
// close, for at most linger.
func (c *Conn) CloseWithError(code uint64, reason string) error {
	code = min(code, maxVarint)
	c.mu.Lock()
	c.end(&transport.ConnError{Code: code, Reason: reason},
		&frame{kind: frameApplicationClose, code: code, data: []byte(reason[:min(len(reason), maxReason)])})
	c.mu.Unlock()
	<-c.done
	return nil
}

// violation ends the connection because the peer has violated the protocol. The
// peer is told what was wrong, for whoever debugs it. The lock is held.
func (c *Conn) violation(err error) {
	c.end(&transport.ConnError{Err: fmt.Errorf("qmux: the peer breaks the protocol: %w", err)},
		&frame{kind: frameConnectionClose, code: codeViolation, data: []byte(err.Error())})
}

// end marks the connection as ended with err, unless it has ended before. The
// writer then sends last, unless that is nil. The lock is held.
func (c *Conn) end(err *transport.ConnError, last *frame) {
	if !c.shared.End(err) {
		return
	}
	if last != nil {
		c.last = append(c.out.params(), *last)
	}
	c.streams = nil
	c.schedule, c.out = scheduler{}, outbox{}
	c.pings.stop()
	c.force = time.AfterFunc(linger, func() { _ = c.carrier.Close() })
	c.cond.Broadcast()
}

// lost ends the connection because the carrier has failed: no close can be sent any
// more, except for a message that was too large to be read.
func (c *Conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, ErrTooLarge) {
		c.violation(err)
		return
	}
	c.end(&transport.ConnError{Err: fmt.Errorf("qmux: %w", tlsalert.MarkOverTCP(err)), Remote: errors.Is(err, ErrCut)}, nil)
}

// State describes the connection.
func (c *Conn) State() transport.State { return c.state }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.shared.Context() }
