//go:build unix

package bench

import (
	"runtime/debug"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/quicconn"
)

// BenchmarkSettings compares quic-go with other settings than the defaults of
// this module. These measurements decided on the defaults, see
// [quicconn.DefaultConfig].
func BenchmarkSettings(b *testing.B) {
	type start = func(*testing.B, *gate) work
	bulk := func(p pair) start {
		return func(b *testing.B, g *gate) work { return p.groups(b, 30, 16<<10, gathered, g) }
	}
	small := func(p pair) start {
		return func(b *testing.B, g *gate) work { return p.groups(b, 1, 100, gathered, g) }
	}
	for _, setting := range []struct {
		name   string
		work   func(pair) start
		change func(*quic.Config)
	}{
		{"100 streams, small groups", small, func(c *quic.Config) { c.MaxIncomingUniStreams = 100 }},
		{"1,000 streams, small groups", small, func(c *quic.Config) { c.MaxIncomingUniStreams = 1000 }},
		{"100,000 streams, small groups", small, func(c *quic.Config) { c.MaxIncomingUniStreams = 100_000 }},
		{"stream window of 64 KiB, bulk", bulk, func(c *quic.Config) { c.InitialStreamReceiveWindow = 64 << 10 }},
		{"stream window of 256 KiB, bulk", bulk, func(c *quic.Config) { c.InitialStreamReceiveWindow = 256 << 10 }},
		{"stream window of 2 MiB, bulk", bulk, func(c *quic.Config) { c.InitialStreamReceiveWindow = 2 << 20 }},
		{"connection window of 768 KiB, bulk", bulk, func(c *quic.Config) {
			c.InitialConnectionReceiveWindow, c.MaxConnectionReceiveWindow = 768<<10, 768<<10
		}},
		{"connection window of 64 MiB, bulk", bulk, func(c *quic.Config) { c.InitialConnectionReceiveWindow = 64 << 20 }},
		{"first packets of 1,280 bytes, bulk", bulk, func(c *quic.Config) { c.InitialPacketSize = 1280 }},
		{"no datagrams, bulk", bulk, func(c *quic.Config) { c.EnableDatagrams = false }},
	} {
		b.Run(setting.name, func(b *testing.B) {
			defer debug.SetGCPercent(debug.SetGCPercent(400))
			config := quicconn.DefaultConfig()
			setting.change(config)
			compare(b,
				side{"other", setting.work(configuredPair(config))},
				side{"default", setting.work(configuredPair(quicconn.DefaultConfig()))},
			)
		})
	}
}
