package quicconn

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

func addrs(hosts ...string) (list []*net.UDPAddr) {
	for _, h := range hosts {
		list = append(list, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(h), 443)))
	}
	return list
}

// attempts script the result of each address, and when it comes.
type attempts map[string]struct {
	after time.Duration
	err   error
}

func (a attempts) run(started map[string]time.Duration) func(context.Context, *net.UDPAddr) (*dialled, error) {
	begin := time.Now()
	var mu sync.Mutex
	return func(ctx context.Context, addr *net.UDPAddr) (*dialled, error) {
		host := addr.IP.String()
		mu.Lock()
		started[host] = time.Since(begin)
		mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
		case <-time.After(a[host].after):
			return nil, a[host].err
		}
	}
}

func TestTryAddrs(t *testing.T) {
	refused := dialError(transport.PhaseConnect, errRefused)
	untrusted := dialError(transport.PhaseTLS, errors.New("untrusted"))
	for name, c := range map[string]struct {
		attempts attempts
		took     time.Duration
		err      error
		started  map[string]time.Duration
	}{
		"the first answers": {
			attempts{"::1": {10 * time.Millisecond, nil}},
			10 * time.Millisecond, nil, map[string]time.Duration{"::1": 0},
		},
		"the first is silent": {
			attempts{"::1": {5 * time.Second, refused}, "127.0.0.1": {10 * time.Millisecond, nil}},
			260 * time.Millisecond, nil, map[string]time.Duration{"::1": 0, "127.0.0.1": headStart},
		},
		"the first fails at once": {
			attempts{"::1": {time.Millisecond, refused}, "127.0.0.1": {10 * time.Millisecond, nil}},
			11 * time.Millisecond, nil, map[string]time.Duration{"::1": 0, "127.0.0.1": time.Millisecond},
		},
		"the first is slow": {
			attempts{"::1": {300 * time.Millisecond, nil}, "127.0.0.1": {time.Minute, nil}},
			300 * time.Millisecond, nil, map[string]time.Duration{"::1": 0, "127.0.0.1": headStart},
		},
		"all fail": {
			attempts{"::1": {time.Second, untrusted}, "127.0.0.1": {5 * time.Second, refused}, "127.0.0.2": {0, refused}},
			headStart + 5*time.Second, untrusted, map[string]time.Duration{"::1": 0, "127.0.0.1": headStart, "127.0.0.2": 2 * headStart},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, started := time.Now(), make(map[string]time.Duration)
				_, err := tryAddrs(t.Context(), addrs("::1", "127.0.0.1", "127.0.0.2"), c.attempts.run(started))
				if err != c.err || time.Since(begin) != c.took {
					t.Errorf("error is %v after %v, want %v after %v", err, time.Since(begin), c.err, c.took)
				}
				for host, at := range c.started {
					if got, ok := started[host]; !ok || got != at {
						t.Errorf("%s was tried at %v, %t, want %v", host, got, ok, at)
					}
				}
				if len(started) != len(c.started) {
					t.Errorf("tried %v", started)
				}
			})
		})
	}
}

func TestTryAddrsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := attempts{"::1": {time.Minute, nil}, "127.0.0.1": {time.Minute, nil}}
		_, err := tryAddrs(ctx, addrs("::1", "127.0.0.1"), a.run(make(map[string]time.Duration)))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestInTurns(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{"::1"}, []string{"::1"}},
		{[]string{"127.0.0.1", "::1"}, []string{"127.0.0.1", "::1"}},
		{[]string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"}, []string{"2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"}},
		{[]string{"::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1"}, []string{"192.0.2.1", "2001:db8::1", "192.0.2.2"}},
	} {
		var in []netip.Addr
		for _, s := range c.in {
			in = append(in, netip.MustParseAddr(s))
		}
		var got []string
		for _, ip := range interleave(in) {
			got = append(got, ip.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q in turns: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestIsAnswer(t *testing.T) {
	p := probePacket(leastPacket)
	destination, source := p[6:14], p[15:23]
	answer := slices.Concat([]byte{0xff, 0, 0, 0, 0, 8}, source, []byte{8}, destination, []byte{0, 0, 0, 1})
	if len(p) < 1200 || p[0]&0xc0 != 0xc0 || p[1]&0xf != 0xa || p[2]&0xf != 0xa || p[3]&0xf != 0xa || p[4]&0xf != 0xa {
		t.Errorf("the probe begins with % x", p[:5])
	}
	if !isAnswer(answer, p) {
		t.Error("an answer is not recognised")
	}
	for n := range 23 {
		if isAnswer(answer[:n], p) {
			t.Errorf("%d bytes are an answer", n)
		}
	}
	for i := range 23 {
		changed := slices.Clone(answer)
		changed[i] ^= 0x80
		if isAnswer(changed, p) {
			t.Errorf("with another byte %d it is an answer", i)
		}
	}
	if isAnswer(p, p) {
		t.Error("an echo is an answer")
	}
}

func TestConfigure(t *testing.T) {
	mine := &quic.Config{MaxIncomingStreams: -1, MaxIncomingUniStreams: 7}
	c := configure(mine)
	if !c.EnableDatagrams || c.MaxIncomingStreams != 10_000 || c.MaxIncomingUniStreams != 7 || c.InitialPacketSize != 1200 {
		t.Errorf("configured %+v", c)
	}
	if c := configure(&quic.Config{InitialPacketSize: 1350}); c.InitialPacketSize != 1350 {
		t.Errorf("the user's packet size became %d", c.InitialPacketSize)
	}
	if mine.EnableDatagrams || mine.MaxIncomingStreams != -1 {
		t.Errorf("the user's configuration is %+v", mine)
	}
	for _, test := range []struct{ set, want quic.Config }{
		{quic.Config{}, *DefaultConfig()},
		{quic.Config{KeepAlivePeriod: time.Second}, quic.Config{KeepAlivePeriod: time.Second}},
		{quic.Config{KeepAlivePeriod: -1}, quic.Config{}},
		{quic.Config{MaxIdleTimeout: time.Minute}, quic.Config{MaxIdleTimeout: time.Minute, KeepAlivePeriod: 3 * time.Second}},
		{
			quic.Config{MaxStreamReceiveWindow: 1000, InitialConnectionReceiveWindow: 1 << 30},
			quic.Config{
				InitialStreamReceiveWindow: 1000, MaxStreamReceiveWindow: 1000,
				InitialConnectionReceiveWindow: 1 << 30, MaxConnectionReceiveWindow: 1 << 30,
				KeepAlivePeriod: 3 * time.Second,
			},
		},
	} {
		want := DefaultConfig()
		want.KeepAlivePeriod = test.want.KeepAlivePeriod
		want.MaxIdleTimeout = cmp.Or(test.want.MaxIdleTimeout, want.MaxIdleTimeout)
		want.InitialStreamReceiveWindow = cmp.Or(test.want.InitialStreamReceiveWindow, want.InitialStreamReceiveWindow)
		want.MaxStreamReceiveWindow = cmp.Or(test.want.MaxStreamReceiveWindow, want.MaxStreamReceiveWindow)
		want.InitialConnectionReceiveWindow = cmp.Or(test.want.InitialConnectionReceiveWindow, want.InitialConnectionReceiveWindow)
		want.MaxConnectionReceiveWindow = cmp.Or(test.want.MaxConnectionReceiveWindow, want.MaxConnectionReceiveWindow)
		got := configure(&test.set)
		got.EnableStreamResetPartialDelivery = want.EnableStreamResetPartialDelivery // a bool has no zero of its own
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v, want %+v", test.set, got, want)
		}
	}
	if d := configure(nil); d.InitialConnectionReceiveWindow != 16<<20 || d.MaxStreamReceiveWindow != 4<<20 {
		t.Errorf("the default is %+v", d)
	}
}

func TestConfigureServerForClient(t *testing.T) {
	refused := errors.New("refused")
	for _, chosen := range []*quic.Config{{MaxIncomingUniStreams: 7}, nil} {
		c := configureServer(&quic.Config{GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) { return chosen, nil }})
		got, err := c.GetConfigForClient(new(quic.ClientInfo))
		if err != nil || got.InitialPacketSize != 1200 || !got.EnableDatagrams || !got.EnableStreamResetPartialDelivery {
			t.Errorf("a client is served with %+v, %v", got, err)
		}
	}
	c := configureServer(&quic.Config{GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) { return nil, refused }})
	if _, err := c.GetConfigForClient(new(quic.ClientInfo)); err != refused {
		t.Errorf("error is %v", err)
	}
}
