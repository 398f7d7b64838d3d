package message_test

import (
	"bytes"
	"io"
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// fuzz parses bodies of one kind of message in any version that has it. An accepted message
// must be valid for sending, and be the same after encoding and parsing.
func fuzz(f *testing.F, name string) {
	k, ok := kindNamed(name)
	if !ok {
		f.Fatalf("no message %q", name)
	}
	versions := all()
	for _, c := range load(f, "vectors.json") {
		if c.Message != name {
			continue
		}
		for i, v := range versions {
			if body, err := k.body(v, c.Hex); err == nil {
				f.Add(uint8(i), body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		v := versions[int(i)%len(versions)]
		m := k.make()
		if len(body) > message.MaxBody || m.Parse(v, body) != nil {
			return
		}
		if err := m.Validate(v); err != nil && !(k.noLen && len(body) > message.MaxDatagram) {
			t.Fatalf("%s: %+v: %v", v, m, err)
		}
		b := m.Append(v, nil)
		if len(b) != m.Length(v) {
			t.Fatalf("%s: %+v: %d bytes, Length says %d", v, m, len(b), m.Length(v))
		}
		if again, err := k.read(v, b); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%s: %+v: got %+v, %v", v, m, again, err)
		}
	})
}

func FuzzAnnounceRequest(f *testing.F) { fuzz(f, "announce_request") }
func FuzzAnnounceOK(f *testing.F)      { fuzz(f, "announce_ok") }
func FuzzAnnounce(f *testing.F)        { fuzz(f, "announce") }
func FuzzAnnounceStart(f *testing.F)   { fuzz(f, "announce_start") }
func FuzzAnnounceEnd(f *testing.F)     { fuzz(f, "announce_end") }
func FuzzAnnounceUpdate(f *testing.F)  { fuzz(f, "announce_update") }
func FuzzSubscribe(f *testing.F)       { fuzz(f, "subscribe") }
func FuzzSubscribeUpdate(f *testing.F) { fuzz(f, "subscribe_update") }
func FuzzSubscribeOK(f *testing.F)     { fuzz(f, "subscribe_ok") }
func FuzzSubscribeStart(f *testing.F)  { fuzz(f, "subscribe_start") }
func FuzzSubscribeEnd(f *testing.F)    { fuzz(f, "subscribe_end") }
func FuzzSubscribeDrop(f *testing.F)   { fuzz(f, "subscribe_drop") }
func FuzzTrack(f *testing.F)           { fuzz(f, "track") }
func FuzzTrackInfo(f *testing.F)       { fuzz(f, "track_info") }
func FuzzFetch(f *testing.F)           { fuzz(f, "fetch") }
func FuzzGroup(f *testing.F)           { fuzz(f, "group") }
func FuzzProbe(f *testing.F)           { fuzz(f, "probe") }
func FuzzGoAway(f *testing.F)          { fuzz(f, "goaway") }
func FuzzDatagram(f *testing.F)        { fuzz(f, "datagram") }
func FuzzSetup(f *testing.F)           { fuzz(f, "setup") }

// FuzzStream reads messages and frames from arbitrary bytes.
func FuzzStream(f *testing.F) {
	versions := all()
	for i, c := range load(f, "vectors.json") {
		f.Add(uint8(i), []byte(c.Hex))
	}
	f.Fuzz(func(t *testing.T, i uint8, b []byte) {
		v := versions[int(i)%len(versions)]
		body, err := message.ReadBody(bytes.NewReader(b), v, message.MaxBody, nil)
		if err == nil && !bytes.Contains(b, body) || err == io.EOF && len(b) > 0 {
			t.Fatalf("%s: got %x, %v", v, body, err)
		}
		r := bytes.NewReader(b)
		for previous := uint64(0); ; {
			h, err := message.ReadFrameHeader(r, v, previous)
			if err != nil {
				break
			}
			if err := h.Validate(v, previous); err != nil {
				t.Fatalf("%s: %+v after %d: %v", v, h, previous, err)
			}
			again, err := message.ReadFrameHeader(bytes.NewReader(h.Append(v, nil, previous)), v, previous)
			if err != nil || again != h {
				t.Fatalf("%s: %+v after %d: got %+v, %v", v, h, previous, again, err)
			}
			previous = h.Timestamp
		}
	})
}
