package quicconn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// smallPath is the largest UDP payload over IPv4 on a path with an MTU of
// 1,280 bytes.
const smallPath = 1280 - 20 - 8

// A user's configuration without packet sizes works as well as the default
// one, at both ends.
func TestDialSmallPath(t *testing.T) {
	for name, conf := range map[string]*quic.Config{"default": nil, "own": {}} {
		t.Run(name, func(t *testing.T) {
			transporttest.NoLeaks(t)
			l, d := listen(t, conf, quicconn.ListenOptions{Protocols: []string{protocol}})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c, err := d.Dial(ctx, newTunnel(t, l, smallPath).url(), []string{protocol})
			if err != nil {
				t.Fatal(err)
			}
			_ = c.CloseWithError(0, "")
		})
	}
}

// The error for a path that is too small says only that.
func TestDialTooSmallPath(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	d.QUICConfig = &quic.Config{InitialPacketSize: 1400}
	p := newTunnel(t, l, smallPath)
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	_, err := d.Dial(ctx, p.url(), []string{protocol})
	wantDialError(t, err, transport.PhaseConnect, "carries UDP payloads of 1252 bytes, but none of 1400")
	small, ok := errors.AsType[*quicconn.PathError](err)
	if !ok || small.Most != smallPath || small.Need != 1400 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if errors.Is(err, transport.ErrNoCommonProtocol) {
		t.Errorf("%v blames the version", err)
	}
}
