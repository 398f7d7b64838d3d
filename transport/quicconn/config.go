package quicconn

import (
	"crypto/tls"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
)

// DefaultConfig is what a nil configuration stands for: defaults tuned for live
// media. A stream that nobody reads pins little of the connection's window,
// and one that is read gets what it needs.
func DefaultConfig() *quic.Config {
	return &quic.Config{
		InitialStreamReceiveWindow:       256 << 10,
		MaxStreamReceiveWindow:           4 << 20,
		InitialConnectionReceiveWindow:   16 << 20,
		MaxConnectionReceiveWindow:       64 << 20,
		MaxIncomingStreams:               10_000,
		MaxIncomingUniStreams:            10_000,
		KeepAlivePeriod:                  3 * time.Second,
		MaxIdleTimeout:                   10 * time.Second,
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
	}
}

// configure is c, or the default, with what a session cannot do without: the
// peer's streams, and datagrams.
func configure(c *quic.Config) *quic.Config {
	defaults := DefaultConfig()
	if c == nil {
		return defaults
	}
	c = c.Clone()
	c.EnableDatagrams = true
	if c.MaxIncomingStreams < 0 {
		c.MaxIncomingStreams = defaults.MaxIncomingStreams
	}
	if c.MaxIncomingUniStreams < 0 {
		c.MaxIncomingUniStreams = defaults.MaxIncomingUniStreams
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
