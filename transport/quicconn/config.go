package quicconn

import (
	"cmp"
	"crypto/tls"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
)

// DefaultConfig is what a nil configuration stands for: defaults tuned for live
// media. They were chosen by measurements, on a loopback interface and two
// cores if nothing else is said (BenchmarkSettings of impl/bench repeats those
// of quic-go's settings):
//
//   - Incoming streams, 10,000 of each kind: a group is a stream, and small ones
//     are faster by a quarter and more with 1,000 than with 100, up to twice
//     where the garbage collector runs seldom; 100,000 are slower again.
//   - A stream's window, 512 KiB, which grows to 4 MiB: in bulk, groups of
//     480 KiB are a fifth faster than with 256 KiB, and as fast as with 2 MiB. A
//     stream that nobody reads pins as much as the first window.
//   - The connection's window, 16 MiB, which grows to 64 MiB: within the noise
//     too, but it is that of all streams together. Session limits keep what is
//     unread to half of the first.
//   - A keep-alive after 3 seconds and an idle timeout of 10: network address
//     translators are kept awake, and who is gone is noticed in a third of the
//     usual 30 seconds. It costs an idle session some microseconds of CPU a
//     second.
//   - First packets of 1,200 bytes, the least that QUIC allows: they fit the
//     paths of 1,280 bytes that tunnels have, and IPv6 at least. Larger ones
//     follow as soon as the path has been found to carry them, so that bulk is as
//     fast as with quic-go's 1,280.
//   - Datagrams: no cost where none are sent.
//   - Socket buffers of 7 MiB, which quic-go asks for as well: with 424 KiB, the
//     most that stock kernels grant, bulk is slower by a fifth, with 106 KiB by
//     two fifths; so a smaller grant is told ([CheckBuffers]).
//   - Receive offload, by itself where the kernel has it (Linux): 1.2 times the
//     goodput in bulk at three quarters of the CPU.
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

// leastPacket is the size that every path of QUIC carries (RFC 9000, section
// 14), in bytes of a UDP datagram's payload.
const leastPacket = 1200

// configure is c with the defaults in place of its zeros, and with what a session
// cannot do without: the peer's streams, and datagrams. A negative
// KeepAlivePeriod is none.
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

// fillWindows sets the zeros among a window and what it grows to, of which the
// first is never above the second: the one that is set moves the other.
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
// the client. HTTP/3's server insists on partial delivery.
func configureServer(c *quic.Config) *quic.Config {
	c = configure(c)
	c.EnableStreamResetPartialDelivery = true
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(info *quic.ClientInfo) (*quic.Config, error) {
			client := *info
			client.RemoteAddr = unnamed(info.RemoteAddr)
			chosen, err := choose(&client)
			if err != nil {
				return nil, err
			}
			return configureServer(chosen), nil
		}
	}
	return c
}

// configureTLS is c, or the default, to negotiate protocols with host.
func configureTLS(c *tls.Config, host string, protocols []string) *tls.Config {
	c = withProtocols(c, protocols)
	if c.ServerName == "" {
		c.ServerName = host // for an IP address crypto/tls sends no name, but verifies it
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
