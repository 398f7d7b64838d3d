package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// wire has the methods of every message.
type wire interface {
	Append(v *message.Version, b []byte) []byte
	Length(v *message.Version) int
	Parse(v *message.Version, body []byte) error
	Validate(v *message.Version) error
}

// A kind is a type of message, by its name in the test vectors.
type kind struct {
	name     string
	make     func() wire
	exists   func(v *message.Version) bool // nil if all versions have it
	response message.ResponseKind          // for a response to SUBSCRIBE
	typed    bool                          // it is an announcement of typ
	typ      message.AnnounceType
	noLen    bool
}

var kinds = []kind{
	{name: "announce_request", make: func() wire { return new(message.AnnounceRequest) }},
	{name: "announce_ok", make: func() wire { return new(message.AnnounceOK) }, exists: func(v *message.Version) bool { return v.AnnounceOK }},
	{name: "announce", make: func() wire { return new(message.Announce) }, exists: func(v *message.Version) bool { return !v.AnnounceIDs }},
	{name: "announce_start", make: func() wire { return new(message.AnnounceStart) }, exists: announceIDs, typed: true, typ: message.AnnounceTypeStart},
	{name: "announce_end", make: func() wire { return new(message.AnnounceEnd) }, exists: announceIDs, typed: true, typ: message.AnnounceTypeEnd},
	{name: "announce_update", make: func() wire { return new(message.AnnounceUpdate) }, exists: announceIDs, typed: true, typ: message.AnnounceTypeUpdate},
	{name: "subscribe", make: func() wire { return new(message.Subscribe) }},
	{name: "subscribe_update", make: func() wire { return new(message.SubscribeUpdate) }},
	{name: "subscribe_ok", make: func() wire { return new(message.SubscribeOK) }, exists: func(v *message.Version) bool { return !v.ImplicitOK }, response: message.ResponseOK},
	{name: "subscribe_start", make: func() wire { return new(message.SubscribeStart) }, exists: implicitOK, response: message.ResponseStart},
	{name: "subscribe_end", make: func() wire { return new(message.SubscribeEnd) }, exists: implicitOK, response: message.ResponseEnd},
	{name: "subscribe_drop", make: func() wire { return new(message.SubscribeDrop) }, response: message.ResponseDrop},
	{name: "track", make: func() wire { return new(message.Track) }, exists: track},
	{name: "track_info", make: func() wire { return new(message.TrackInfo) }, exists: track},
	{name: "fetch", make: func() wire { return new(message.Fetch) }},
	{name: "group", make: func() wire { return new(message.Group) }},
	{name: "probe", make: func() wire { return new(message.Probe) }},
	{name: "goaway", make: func() wire { return new(message.GoAway) }, exists: func(v *message.Version) bool { return v.GoAway }},
	{name: "datagram", make: func() wire { return new(message.Datagram) }, exists: func(v *message.Version) bool { return v.Datagrams }, noLen: true},
	{name: "setup", make: func() wire { return new(message.Setup) }, exists: func(v *message.Version) bool { return v.Setup }},
}

func announceIDs(v *message.Version) bool { return v.AnnounceIDs }
func implicitOK(v *message.Version) bool  { return v.ImplicitOK }
func track(v *message.Version) bool       { return v.Track }

func (k kind) in(v *message.Version) bool { return k.exists == nil || k.exists(v) }

// kindNamed returns the kind with a name. It reports false if there is none.
func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// body reads a message from a stream as a session does, and returns its body. The stream
// must hold nothing else.
func (k kind) body(v *message.Version, b []byte) ([]byte, error) {
	if k.noLen {
		return b, nil
	}
	r := bytes.NewReader(b)
	if k.typed || k.response != message.ResponseUnknown {
		t, err := v.ReadVarint(r)
		if err != nil {
			return nil, err
		}
		if k.typed && message.AnnounceType(t) != k.typ || !k.typed && v.ResponseKind(t) != k.response {
			return nil, fmt.Errorf("type %d", t)
		}
	}
	body, err := message.ReadBody(r, v, message.MaxBody, nil)
	if err == nil && r.Len() > 0 {
		err = errors.New("something follows")
	}
	return body, err
}

func (k kind) read(v *message.Version, b []byte) (wire, error) {
	body, err := k.body(v, b)
	if err != nil {
		return nil, err
	}
	m := k.make()
	return m, m.Parse(v, body)
}

// all are the versions that messages are tested with: the real ones, and one with another
// encoding of integers.
func all() []*message.Version { return append(message.Versions(), message.Lite06.WithLeadingOnes()) }

// each runs a test for every message of every version.
func each(t *testing.T, test func(t *testing.T, k kind, v *message.Version)) {
	for _, v := range all() {
		for _, k := range kinds {
			if k.in(v) {
				t.Run(v.Name+"/"+k.name, func(t *testing.T) { test(t, k, v) })
			}
		}
	}
}
