package message_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// A vector is a message encoded by another implementation.
type vector struct {
	Version string
	Message string
	Fields  fields
	Hex     hexBytes
	Rust    string // the verdict of an implementation, on messages that are invalid
	Why     string
}

type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) (err error) {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*h, err = hex.DecodeString(s)
	return err
}

func load(t testing.TB, file string) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// versions returns the versions that the vector is for.
func (c vector) versions(t testing.TB) []*message.Version {
	t.Helper()
	if c.Version == "any" {
		return message.Versions()
	}
	v := message.VersionByName("moq-" + c.Version)
	if v == nil {
		t.Fatalf("no version %s", c.Version)
	}
	return []*message.Version{v}
}

func TestVectors(t *testing.T) {
	for i, c := range load(t, "vectors.json") {
		for _, v := range c.versions(t) {
			t.Run(fmt.Sprintf("%s/%s/%d", v, c.Message, i), func(t *testing.T) {
				if k, ok := kindNamed(c.Message); ok {
					testMessage(t, k, v, c)
				} else if test := primitives[c.Message]; test != nil {
					test(t, v, c)
				} else {
					t.Fatalf("unknown message %q", c.Message)
				}
			})
		}
	}
}

func testMessage(t *testing.T, k kind, v *message.Version, c vector) {
	want := c.Fields.message(v, c.Message)
	got, err := k.read(v, c.Hex)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decode: got %+v, want %+v", got, want)
	}
	if err := want.Validate(v); err != nil {
		t.Errorf("validate: %v", err)
	}
	b := want.Append(v, nil)
	switch {
	case c.Message == "setup":
		// Parameters may come in any order.
		if again, err := k.read(v, b); err != nil || !reflect.DeepEqual(again, want) || len(b) != len(c.Hex) {
			t.Errorf("encode: got %x, which is %+v (%v)", b, again, err)
		}
	case c.Fields.Ordered:
		// The Ordered byte is unused: messages have no such field, and it is sent as 0.
		if changed(b, c.Hex) != 1 {
			t.Errorf("encode: got %x, want %x but for one byte", b, c.Hex)
		}
	case !bytes.Equal(b, c.Hex):
		t.Errorf("encode: got %x, want %x", b, c.Hex)
	}
}

// changed returns how many bytes differ, -1 if the lengths do.
func changed(a, b []byte) (n int) {
	if len(a) != len(b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// primitives are encodings that no exported function has: they are tested through messages.
var primitives = map[string]func(*testing.T, *message.Version, vector){
	"varint": func(t *testing.T, v *message.Version, c vector) {
		want := value[uint64](t, c)
		if b := v.AppendVarint(nil, want); !bytes.Equal(b, c.Hex) || v.VarintLen(want) != len(b) {
			t.Errorf("encode: got %x, want %x", b, c.Hex)
		}
		x, n, err := v.ParseVarint(c.Hex)
		if x != want || n != len(c.Hex) || err != nil {
			t.Errorf("parse: got %d in %d bytes, %v", x, n, err)
		}
		if x, err := v.ReadVarint(bytes.NewReader(c.Hex)); x != want || err != nil {
			t.Errorf("read: got %d, %v", x, err)
		}
	},
	"zigzag": func(t *testing.T, v *message.Version, c vector) {
		want := value[int64](t, c)
		if b := v.AppendZigzag(nil, want); !bytes.Equal(b, c.Hex) || v.ZigzagLen(want) != len(b) {
			t.Errorf("encode: got %x, want %x", b, c.Hex)
		}
		x, n, err := v.ParseZigzag(c.Hex)
		if x != want || n != len(c.Hex) || err != nil {
			t.Errorf("parse: got %d in %d bytes, %v", x, n, err)
		}
		if x, err := v.ReadZigzag(bytes.NewReader(c.Hex)); x != want || err != nil {
			t.Errorf("read: got %d, %v", x, err)
		}
	},
	"string": func(t *testing.T, _ *message.Version, c vector) {
		want := value[string](t, c)
		var m message.GoAway
		if err := m.Parse(message.Lite06, c.Hex); err != nil || m.URI != want {
			t.Errorf("decode: got %q, %v, want %q", m.URI, err, want)
		}
		if b := m.Append(message.Lite06, nil); !bytes.Equal(b[1:], c.Hex) {
			t.Errorf("encode: got %x, want %x", b[1:], c.Hex)
		}
	},
	"path": func(t *testing.T, _ *message.Version, c vector) {
		var m message.AnnounceRequest
		if err := m.Parse(message.Lite06, c.Hex); err != nil || m.Prefix != c.Fields.Normalized {
			t.Errorf("decode: got %q, %v, want %q", m.Prefix, err, c.Fields.Normalized)
		}
		m.Prefix = c.Fields.Raw
		if b := m.Append(message.Lite06, nil); !bytes.Equal(b[1:], c.Hex) {
			t.Errorf("encode: got %x, want %x", b[1:], c.Hex)
		}
		if p := message.CleanPath(c.Fields.Raw); p != c.Fields.Normalized {
			t.Errorf("clean: got %q, want %q", p, c.Fields.Normalized)
		}
	},
	"bool":           func(t *testing.T, _ *message.Version, _ vector) { t.Skip("no message of these versions has one") },
	"stream_type":    testStreamType,
	"group_stream":   testFrames,
	"fetch_response": testFrames,
}

func value[T any](t *testing.T, c vector) (x T) {
	t.Helper()
	if err := json.Unmarshal(c.Fields.Value, &x); err != nil {
		t.Fatal(err)
	}
	return x
}

func testStreamType(t *testing.T, v *message.Version, c vector) {
	types := map[string]message.StreamType{
		"bidi announce": message.StreamAnnounce, "bidi subscribe": message.StreamSubscribe, "bidi fetch": message.StreamFetch,
		"bidi probe": message.StreamProbe, "bidi goaway": message.StreamGoAway, "bidi track": message.StreamTrack,
		"uni group": message.StreamGroup, "uni setup": message.StreamSetup,
	}
	want, ok := types[c.Fields.Kind+" "+c.Fields.Name]
	if !ok {
		t.Fatalf("unknown type %s %s", c.Fields.Kind, c.Fields.Name)
	}
	if x, err := v.ReadVarint(bytes.NewReader(c.Hex)); message.StreamType(x) != want || err != nil {
		t.Errorf("decode: got %d, %v, want %d", x, err, want)
	}
	if b := v.AppendVarint(nil, uint64(want)); !bytes.Equal(b, c.Hex) {
		t.Errorf("encode: got %x, want %x", b, c.Hex)
	}
}

func testFrames(t *testing.T, v *message.Version, c vector) {
	r := bytes.NewReader(c.Hex)
	var b []byte
	if c.Message == "group_stream" {
		want := c.Fields.message(v, "group").(*message.Group)
		b = want.Append(v, v.AppendVarint(b, uint64(message.StreamGroup)))
		var m message.Group
		x, err := v.ReadVarint(r)
		if err != nil || message.StreamType(x) != message.StreamGroup {
			t.Fatalf("decode: type %d, %v", x, err)
		}
		body, err := message.ReadBody(r, v, message.MaxBody, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Parse(v, body); err != nil || m != *want {
			t.Errorf("decode: got %+v, %v, want %+v", m, err, want)
		}
	}
	timestamp := uint64(0)
	for i, f := range c.Fields.Frames {
		want := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
		if err := want.Validate(v, timestamp); err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
		b = append(want.Append(v, b, timestamp), f.Payload...)
		h, err := message.ReadFrameHeader(r, v, timestamp)
		if err != nil || h != want {
			t.Fatalf("frame %d: got %+v, %v, want %+v", i, h, err, want)
		}
		payload := make([]byte, h.Size)
		if _, err := io.ReadFull(r, payload); err != nil || !bytes.Equal(payload, f.Payload) {
			t.Fatalf("frame %d: got %x, %v", i, payload, err)
		}
		timestamp = h.Timestamp
	}
	if _, err := message.ReadFrameHeader(r, v, timestamp); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
	if !bytes.Equal(b, c.Hex) {
		t.Errorf("encode: got %x, want %x", b, c.Hex)
	}
}
