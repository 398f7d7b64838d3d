package quicconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// probeDelay is how long a handshake waits for an answer before the address is
// probed.
const probeDelay = time.Second

// A dial holds what the attempts at all addresses of a host share.
type dial struct {
	transport *quic.Transport
	tls       *tls.Config
	conf      *quic.Config
	probes    bool // the socket is the Endpoint's own, so probes take the same path
	early     bool // early data is allowed
}

// attempt dials one address. When the handshake takes long, it also probes the
// address from a socket of its own: unlike quic-go's socket, that one gets an
// error when nothing listens there.
func (d *dial) attempt(ctx context.Context, addr *net.UDPAddr) (*dialled, error) {
	if d.probes {
		if err := udp.CheckRoute(addr); err != nil {
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
		if p.notStarted() {
			p = d.probe(dialCtx, addr, 0, stop)
		}
	} else {
		stop(nil)
	}
	<-p.done
	return nil, d.explain(ctx, addr, err, p.found)
}

// A dialled is a connection that a dial has made.
type dialled struct {
	*quic.Conn
	early string // the ALPN of the early data; "" when the handshake is complete
}

// dial returns when the handshake is complete or, with early data, when
// streams may be opened.
func (d *dial) dial(ctx context.Context, addr *net.UDPAddr) (*dialled, error) {
	p := &dialContext{ctx: ctx}
	defer p.detach()
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
		_, _ = c.NextConnection(ctx) // accepts the rejection of early data, of which none was sent
		return &dialled{Conn: c}, nil
	default:
		return &dialled{Conn: c, early: resumption.resumed}, nil
	}
}

// A probing is a probe that waits to start, runs, or is done.
type probing struct {
	begun chan struct{} // closed when the probe starts
	done  chan struct{} // closed when it is done, or will not start
	found findings      // the result, once done is closed
}

// probe probes addr after a delay, unless ctx ends before. If nothing listens
// there, it cancels the dial with errRefused.
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
		if p.found = probe(ctx, addr, d.packetSizeNeeded()); p.found.verdict == verdictRefused {
			stop(errRefused)
		}
	}()
	return p
}

// notStarted reports whether the probe has not started.
func (p *probing) notStarted() bool {
	select {
	case <-p.begun:
		return false
	default:
		return true
	}
}

// isTimeout reports whether a dial failed because the handshake timed out.
func isTimeout(err error) bool {
	_, handshake := errors.AsType[*quic.HandshakeTimeoutError](err)
	_, idle := errors.AsType[*quic.IdleTimeoutError](err)
	return handshake || idle
}
