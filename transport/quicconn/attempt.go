package quicconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// probeDelay is how long a handshake may go without an answer until the address
// is probed.
const probeDelay = time.Second

// A dial is what the attempts at all addresses of a host have in common.
type dial struct {
	transport *quic.Transport
	tls       *tls.Config
	conf      *quic.Config
	probes    bool // whether probes make sense
	early     bool // whether data may go before the handshake
}

// attempt dials one address. Beside a handshake that takes long it probes the
// address: quic-go's socket is not told that nothing listens there.
func (d *dial) attempt(ctx context.Context, addr *net.UDPAddr) (*dialled, error) {
	if d.probes {
		if err := routed(addr); err != nil {
			return nil, dialError(transport.PhaseConnect, err)
		}
	}
	dialCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := d.probe(dialCtx, addr, probeDelay, stop)
	c, err := d.dial(dialCtx, addr)
	if err == nil {
		stop(nil)
		<-p.done
		return c, nil
	}
	if isTimeout(err) {
		if p.early() {
			p = d.probe(dialCtx, addr, 0, stop)
		}
	} else {
		stop(nil)
	}
	<-p.done
	return nil, d.explain(ctx, addr, err, p.found)
}

// A dialled is a connection that was made.
type dialled struct {
	*quic.Conn
	early string // the protocol that it speaks before its handshake is complete; "" when it is
}

// dial returns when the handshake is complete, or need not be.
func (d *dial) dial(ctx context.Context, addr *net.UDPAddr) (*dialled, error) {
	p := &passing{ctx: ctx}
	defer p.leave()
	if !d.early {
		c, err := d.transport.Dial(p, addr, d.tls, d.conf)
		if err != nil {
			return nil, err
		}
		return &dialled{Conn: c}, nil
	}
	conf, resumption := resume(d.tls, addr)
	c, err := d.transport.DialEarly(p, addr, conf, d.conf)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.HandshakeComplete():
		_, _ = c.NextConnection(ctx) // even if early data, of which there was none, was refused
		return &dialled{Conn: c}, nil
	default:
		return &dialled{Conn: c, early: resumption.resumed}, nil
	}
}

// A probing is a probe that waits, runs, or is over.
type probing struct {
	begun chan struct{} // closed when it begins
	done  chan struct{} // closed when it is over
	found findings      // once it is over
}

// probe probes addr after a delay, unless ctx ends. If nothing listens there,
// it ends the dial.
func (d *dial) probe(ctx context.Context, addr *net.UDPAddr, delay time.Duration, stop context.CancelCauseFunc) *probing {
	p := &probing{begun: make(chan struct{}), done: make(chan struct{})}
	if !d.probes {
		close(p.begun)
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		close(p.begun)
		if p.found = probe(ctx, addr, d.need()); p.found.verdict == verdictRefused {
			stop(errRefused)
		}
	}()
	return p
}

// early says that the probe has not begun.
func (p *probing) early() bool {
	select {
	case <-p.begun:
		return false
	default:
		return true
	}
}

// isTimeout says that a dial failed since the handshake did not come to an end.
func isTimeout(err error) bool {
	_, handshake := errors.AsType[*quic.HandshakeTimeoutError](err)
	_, idle := errors.AsType[*quic.IdleTimeoutError](err)
	return handshake || idle
}
