package quicconn

import (
	"context"
	"net"
	"time"
)

// headStart is how long an address has for itself before the next is tried as
// well.
const headStart = 250 * time.Millisecond

// An outcome is that of an attempt at one address.
type outcome struct {
	conn *dialled
	err  error
}

// race tries the addresses one after the other: the next one when the one
// before has failed, or has had its head start. The first connection wins; race
// returns when all other attempts are over and what they made is closed. If all
// fail, the error is that of the one that came furthest.
func race(ctx context.Context, addrs []*net.UDPAddr, attempt func(context.Context, *net.UDPAddr) (*dialled, error)) (*dialled, error) {
	ctx, cancel := context.WithCancel(ctx)
	outcomes := make(chan outcome, len(addrs))
	next, running := 0, 0
	start := func() {
		addr := addrs[next]
		next++
		running++
		go func() {
			c, err := attempt(ctx, addr)
			outcomes <- outcome{c, err}
		}()
	}
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if o := <-outcomes; o.conn != nil {
				_ = o.conn.CloseWithError(0, "")
			}
		}
	}()

	var furthest error
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	for start(); ; timer.Reset(headStart) {
		select {
		case o := <-outcomes:
			running--
			if o.err == nil {
				return o.conn, nil
			}
			if furthest == nil || phaseOf(o.err) > phaseOf(furthest) {
				furthest = o.err
			}
			if next == len(addrs) && running == 0 || ctx.Err() != nil {
				return nil, furthest
			}
		case <-timer.C:
		}
		if next < len(addrs) {
			start()
		}
	}
}
