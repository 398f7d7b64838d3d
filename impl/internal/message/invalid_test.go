package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// TestInvalidVectors checks that invalid messages, and valid ones that look invalid, are
// judged as another implementation judges them.
func TestInvalidVectors(t *testing.T) {
	for i, c := range load(t, "vectors-invalid.json") {
		for _, v := range c.versions(t) {
			t.Run(fmt.Sprintf("%s/%s/%s/%d", v, c.Message, c.Why, i), func(t *testing.T) {
				k, ok := kindNamed(c.Message)
				switch {
				case c.Message == "bool":
					t.Skip("no message of these versions has one")
				case c.Message == "path":
					k, _ = kindNamed("announce_request")
					c.Hex = append(message.Lite06.AppendVarint(nil, uint64(len(c.Hex))), c.Hex...)
					v = message.Lite06
				case !ok:
					t.Fatalf("unknown message %q", c.Message)
				}
				m, err := k.read(v, c.Hex)
				if accepted := err == nil; accepted != (c.Rust == "accept") {
					t.Errorf("got %+v, %v, want %s", m, err, c.Rust)
				}
			})
		}
	}
}

// TestMalformed has bodies of malformed messages that vectors-invalid.json does not have.
func TestMalformed(t *testing.T) {
	long := string(message.Lite06.AppendVarint(nil, message.MaxURI+1)) + strings.Repeat("a", message.MaxURI+1)
	params := string(message.Lite06.AppendVarint(nil, message.MaxSetupParameters+1))
	for i := range message.MaxSetupParameters + 1 {
		params += string(message.Lite06.AppendVarint(nil, uint64(100+i))) + "\x00"
	}
	for _, c := range []struct {
		name, kind, body string
		v                *message.Version
	}{
		{"path is not UTF-8", "track", "\x02\xc3\x28\x00", message.Lite06},
		{"name is not UTF-8", "track", "\x00\x02\xc3\x28", message.Lite06},
		{"string of 2^62-1 bytes", "goaway", "\xff\xff\xff\xff\xff\xff\xff\xff", message.Lite06},
		{"URI above the limit", "goaway", long, message.Lite04},
		{"2^62-1 hops", "announce_start", "\x00\xff\xff\xff\xff\xff\xff\xff\xff", message.Lite06},
		{"hops end early", "announce_update", "\x00\x20\x01\x02", message.Lite06},
		{"timescale 0", "track_info", "\x7f\x00\x00\x00", message.Lite05},
		{"timescale 0", "track_info", "\x7f\x00\x00", message.Lite06},
		{"65 parameters", "setup", params, message.Lite06},
		{"2^62-1 parameters", "setup", "\xff\xff\xff\xff\xff\xff\xff\xff", message.Lite05},
		{"unknown parameter twice", "setup", "\x02\x07\x00\x07\x00", message.Lite06},
		{"number with trailing bytes", "setup", "\x01\x05\x02\x01\x00", message.Lite06},
		{"number of no bytes", "setup", "\x01\x05\x00", message.Lite06},
		{"number cut off", "setup", "\x01\x05\x01\x40", message.Lite06},
		{"value runs past the body", "setup", "\x01\x05\x02\x01", message.Lite06},
		{"end frame without end group", "subscribe_update", "\x00\x00\x05\x00\x00\x01", message.Lite06},
		{"status 2", "announce", "\x02\x00\x00", message.Lite03},
	} {
		t.Run(c.v.Name+"/"+c.kind+"/"+c.name, func(t *testing.T) {
			k, _ := kindNamed(c.kind)
			m := k.make()
			if err := m.Parse(c.v, []byte(c.body)); !errors.Is(err, message.ErrMalformed) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

// TestLegal has bodies of messages that look malformed and are valid.
func TestLegal(t *testing.T) {
	for _, c := range []struct {
		name, kind, body string
		v                *message.Version
		want             wire
	}{
		{"numbers are longer than need be", "group", "\x40\x01\x80\x00\x00\x02\xc0\x00\x00\x00\x00\x00\x00\x03", message.Lite06, &message.Group{Subscribe: 1, Sequence: 2, StartFrame: 3}},
		{"path is not clean", "track", "\x09//a///b//\x00", message.Lite06, &message.Track{Path: "a/b"}},
		{"path of slashes", "announce_request", "\x03///", message.Lite06, &message.AnnounceRequest{}},
		{"32 segments", "announce_request", "\x3f" + strings.Repeat("/a", 32)[1:], message.Lite06, &message.AnnounceRequest{Prefix: strings.Repeat("/a", 32)[1:]}},
		{"unknown hops repeat", "announce_update", "\x00\x02\x00\x00\x00\x00", message.Lite06, &message.AnnounceUpdate{Hops: []uint64{0, 0}}},
		{"frames of two groups are in no order", "subscribe_update", "\x00\x00\x05\x07\x09\x01", message.Lite06, &message.SubscribeUpdate{message.SubscribeParams{StartGroup: 5, EndGroup: 7, StartFrame: 9, EndFrame: 1}}},
		{"restart is active", "announce", "\x02\x00\x00", message.Lite05, &message.Announce{Status: message.AnnounceActive}},
		{"ordered is any byte", "subscribe_ok", "\x01\xff\x02\x03\x04", message.Lite03, &message.SubscribeOK{message.SubscribeParams{Priority: 1, MaxAge: 2, StartGroup: 2, EndGroup: 4}}},
		{"ordered is any byte", "track_info", "\x01\xff\x02\x03", message.Lite05, &message.TrackInfo{Priority: 1, MaxAge: 2, Timescale: 3}},
		{"empty path", "setup", "\x01\x02\x00", message.Lite05, &message.Setup{HasPath: true}},
		{"unknown parameters in no order", "setup", "\x04\x09\x02ab\x05\x01\x07\x08\x00\x01\x01\x02", message.Lite06, &message.Setup{Hop: 7, Probe: 2}},
	} {
		t.Run(c.v.Name+"/"+c.kind+"/"+c.name, func(t *testing.T) {
			k, _ := kindNamed(c.kind)
			m := k.make()
			if err := m.Parse(c.v, []byte(c.body)); err != nil || fmt.Sprintf("%+v", m) != fmt.Sprintf("%+v", c.want) {
				t.Errorf("got %+v, %v, want %+v", m, err, c.want)
			}
		})
	}
}

// TestTruncated truncates each message at each byte, and appends a byte.
func TestTruncated(t *testing.T) {
	for i, c := range load(t, "vectors.json") {
		k, ok := kindNamed(c.Message)
		if !ok {
			continue
		}
		v := c.versions(t)[0]
		t.Run(fmt.Sprintf("%s/%s/%d", v, c.Message, i), func(t *testing.T) {
			body, err := k.body(v, c.Hex)
			if err != nil {
				t.Fatal(err)
			}
			// A datagram is cut short only within its header.
			for n := range len(body) - len(c.Fields.Payload) {
				if err := k.make().Parse(v, body[:n]); !errors.Is(err, message.ErrMalformed) {
					t.Errorf("%d of %d bytes: %v", n, len(body), err)
				}
			}
			if k.noLen {
				return
			}
			if err := k.make().Parse(v, append(body[:len(body):len(body)], 0)); !errors.Is(err, message.ErrMalformed) {
				t.Errorf("one byte more: %v", err)
			}
			for n := range c.Hex {
				if _, err := k.body(v, c.Hex[:n]); err != io.ErrUnexpectedEOF && err != io.EOF {
					t.Errorf("stream of %d of %d bytes: %v", n, len(c.Hex), err)
				}
			}
			start := len(c.Hex) - len(body) - v.VarintLen(uint64(len(body)))
			for n := start; n < len(c.Hex); n++ {
				want := io.ErrUnexpectedEOF
				if n == start {
					want = io.EOF
				}
				if _, err := message.ReadBody(bytes.NewReader(c.Hex[start:n]), v, message.MaxBody, nil); err != want {
					t.Errorf("stream of %d of %d bytes: got %v, want %v", n, len(c.Hex), err, want)
				}
			}
		})
	}
}

// TestNotInVersion parses messages in versions that do not have them.
func TestNotInVersion(t *testing.T) {
	for _, v := range message.Versions() {
		for _, k := range kinds {
			if k.in(v) {
				continue
			}
			t.Run(v.Name+"/"+k.name, func(t *testing.T) {
				m := k.make()
				if err := m.Validate(v); !errors.Is(err, message.ErrUnencodable) {
					t.Errorf("validate: %v", err)
				}
				if err := m.Parse(v, []byte{1, 1, 1, 1}); !errors.Is(err, message.ErrMalformed) {
					t.Errorf("parse: %v", err)
				}
			})
		}
	}
}
