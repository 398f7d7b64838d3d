package qmux

import (
	"fmt"
	"strings"
)

// A Version is a draft of Qmux.
type Version uint8

// The drafts that this package speaks.
const (
	Version00 Version = iota // a message is one frame
	Version01                // a message is a record of frames; pings and datagrams
	Version02                // pings are strictly increasing; RESET_STREAM_AT
)

func (v Version) String() string { return fmt.Sprintf("qmux-%02d", uint8(v)) }

// Subprotocol returns the name under which a protocol over v is negotiated.
func (v Version) Subprotocol(protocol string) string { return v.String() + "." + protocol }

// ParseSubprotocol is the inverse of Subprotocol.
func ParseSubprotocol(name string) (v Version, protocol string, ok bool) {
	draft, protocol, ok := strings.Cut(name, ".")
	if !ok || protocol == "" {
		return 0, "", false
	}
	for _, v := range []Version{Version00, Version01, Version02} {
		if draft == v.String() {
			return v, protocol, true
		}
	}
	return 0, "", false
}

// records tells whether a message is a record of any number of frames.
func (v Version) records() bool { return v >= Version01 }
