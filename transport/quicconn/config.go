package quicconn

import (
	"cmp"
	"crypto/tls"
	"slices"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// DefaultConfig returns the configuration that nil stands for, tuned for live
// media. The values were chosen by measurements, on a loopback interface with
// two cores unless stated otherwise (BenchmarkSettings of impl/bench repeats
// those of quic-go's settings):
//
//   - Incoming streams: 10,000 of each kind. A group is a stream, and small
//     groups are faster by a quarter or more with 1,000 than with 100, and up
//     to twice as fast where the garbage collector runs seldom; with 100,000
//     they are slower again.
//   - Stream window: 512 KiB, growing to 4 MiB. In bulk, groups of 480 KiB are
//     a fifth faster than with 256 KiB, and as fast as with 2 MiB. A stream
//     that nobody reads holds as much memory as the initial window.
//   - Connection window: 16 MiB, growing to 64 MiB. It makes no measurable
//     difference, but it is shared by all streams. Session limits keep unread
//     data below half of the initial window.
//   - Keep-alive after 3 seconds, idle timeout of 10. This keeps mappings of
//     network address translators alive, and notices a dead peer in a third of
//     the usual 30 seconds. It costs an idle session some microseconds of CPU
//     a second.
//   - First packets of 1,200 bytes, the minimum of QUIC. They fit tunnels with
//     an MTU of 1,280 bytes, also over IPv6. Larger packets follow as soon as
//     the path has been found to carry them, so that bulk is as fast as with
//     quic-go's 1,280.
//   - Datagrams: on. They cost nothing where none are sent.
//   - Socket buffers of 7 MiB, which quic-go asks for as well. With 424 KiB,
//     the most that stock kernels grant, bulk is slower by a fifth, with 106
//     KiB by two fifths, so a smaller grant is logged ([CheckBuffers]).
//   - Receive offload, automatically where the kernel has it (Linux): 1.2
//     times the goodput in bulk at three quarters of the CPU.
func DefaultConfig() *quic.Config {
	return &quic.Config{
		InitialStreamReceiveWindow:       512 << 10,
		MaxStreamReceiveWindow:           4 << 20,
		InitialConnectionReceiveWindow:   16 << 20,
		MaxConnectionReceiveWindow:       64 << 20,
		MaxIncomingStreams:               10_000,
		MaxIncomingUniStreams:            10_000,
		KeepAlivePeriod:                  3 * time.Second,
		MaxIdleTimeout:                   10 * time.Second,
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
		InitialPacketSize:                leastPacket,
	}
}

// leastPacket is the packet size that every QUIC path carries (RFC 9000,
// section 14), in bytes of UDP payload.
const leastPacket = 1200

// configure returns a copy of c in which zero fields have their defaults, and
// with what a session requires: datagrams, and streams of the peer. A negative
// KeepAlivePeriod becomes zero, which means none.
func configure(c *quic.Config) *quic.Config {
	defaults := DefaultConfig()
	if c == nil {
		return defaults
	}
	c = c.Clone()
	c.EnableDatagrams = true
	c.InitialPacketSize = cmp.Or(c.InitialPacketSize, defaults.InitialPacketSize)
	c.MaxIdleTimeout = cmp.Or(c.MaxIdleTimeout, defaults.MaxIdleTimeout)
	c.KeepAlivePeriod = max(cmp.Or(c.KeepAlivePeriod, defaults.KeepAlivePeriod), 0)
	fillWindows(&c.InitialStreamReceiveWindow, &c.MaxStreamReceiveWindow,
		defaults.InitialStreamReceiveWindow, defaults.MaxStreamReceiveWindow)
	fillWindows(&c.InitialConnectionReceiveWindow, &c.MaxConnectionReceiveWindow,
		defaults.InitialConnectionReceiveWindow, defaults.MaxConnectionReceiveWindow)
	if c.MaxIncomingStreams <= 0 {
		c.MaxIncomingStreams = defaults.MaxIncomingStreams
	}
	if c.MaxIncomingUniStreams <= 0 {
		c.MaxIncomingUniStreams = defaults.MaxIncomingUniStreams
	}
	return c
}

// fillWindows sets a window and its maximum where they are zero. If only one
// of them is set, the other one is adjusted, so that the window is never above
// its maximum.
func fillWindows(initial, most *uint64, defaultInitial, defaultMost uint64) {
	switch {
	case *initial == 0 && *most == 0:
		*initial, *most = defaultInitial, defaultMost
	case *initial == 0:
		*initial = min(defaultInitial, *most)
	case *most == 0:
		*most = max(defaultMost, *initial)
	}
}

// configureServer is configure for a server, whose configuration may depend on
// the client. It enables partial delivery of reset streams, which the HTTP/3
// server requires.
func configureServer(c *quic.Config) *quic.Config {
	c = configure(c)
	c.EnableStreamResetPartialDelivery = true
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(info *quic.ClientInfo) (*quic.Config, error) {
			client := *info
			client.RemoteAddr = udp.TrueAddr(info.RemoteAddr)
			chosen, err := choose(&client)
			if err != nil {
				return nil, err
			}
			return configureServer(chosen), nil
		}
	}
	return c
}

// configureTLS returns a copy of c, which may be nil, that negotiates
// protocols with host.
func configureTLS(c *tls.Config, host string, protocols []string) *tls.Config {
	c = withProtocols(c, protocols)
	if c.ServerName == "" {
		c.ServerName = host // an IP address is verified, but not sent as SNI
	}
	return c
}

func withProtocols(c *tls.Config, protocols []string) *tls.Config {
	c = c.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	c.NextProtos = slices.Clone(protocols)
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	return c
}

// serverTLS is withProtocols for a server, whose configuration may depend on
// the client.
func serverTLS(c *tls.Config, protocols []string) *tls.Config {
	c = withProtocols(c, protocols)
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(info)
			if chosen == nil || err != nil {
				return nil, err
			}
			return withProtocols(chosen, protocols), nil
		}
	}
	return c
}
