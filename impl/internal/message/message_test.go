package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

const rounds = 200 // of random messages

func TestRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, k kind, v *message.Version) {
		for seed := range uint64(rounds) {
			m := generate(v, seed).message(k.name)
			if err := m.Validate(v); err != nil {
				t.Fatalf("%+v: %v", m, err)
			}
			b := m.Append(v, []byte("before"))
			b, ok := bytes.CutPrefix(b, []byte("before"))
			if !ok || len(b) != m.Length(v) {
				t.Fatalf("%+v: %x has the length %d", m, b, m.Length(v))
			}
			got, err := k.read(v, b)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Fatalf("%+v: got %+v, %v", m, got, err)
			}
		}
	})
}

// TestLeadingOnes shows that messages use the version's encoding of integers.
func TestLeadingOnes(t *testing.T) {
	v := message.Lite06.WithLeadingOnes()
	for _, c := range []struct {
		x    uint64
		want string
	}{
		{0, "00"}, {127, "7f"}, {128, "8080"}, {1<<14 - 1, "bfff"}, {1 << 14, "c04000"},
		{1<<42 - 1, "fbffffffffff"}, {1 << 42, "fe00040000000000"}, {message.MaxVarint, "ff3fffffffffffffff"},
	} {
		if b := v.AppendVarint(nil, c.x); fmt.Sprintf("%x", b) != c.want || v.VarintLen(c.x) != len(b) {
			t.Errorf("%d: got %x, want %s", c.x, b, c.want)
		}
	}
	m := message.Group{Subscribe: 100, Sequence: 128}
	if b := m.Append(v, nil); !bytes.Equal(b, []byte{4, 100, 0x80, 0x80, 0}) {
		t.Errorf("got %x", b)
	}
}

func TestAppendAllocs(t *testing.T) {
	each(t, func(t *testing.T, k kind, v *message.Version) {
		for seed := range uint64(10) {
			m := generate(v, seed).message(k.name)
			b := make([]byte, 0, m.Length(v))
			if n := testing.AllocsPerRun(10, func() { m.Append(v, b); m.Length(v) }); n != 0 {
				t.Errorf("%+v: %v allocations", m, n)
			}
		}
	})
}

// TestHotPathAllocs does what is done for each group and frame, and counts allocations.
func TestHotPathAllocs(t *testing.T) {
	buf, scratch := make([]byte, 0, 64), make([]byte, 0, 64)
	r := bytes.NewReader(nil)
	n := testing.AllocsPerRun(100, func() {
		m := message.Group{Subscribe: 70, Sequence: 1 << 40}
		b := m.Append(message.Lite06, buf)
		h := message.FrameHeader{Timestamp: 1 << 50, Size: 1 << 20}
		b = h.Append(message.Lite06, b, 1<<20)
		r.Reset(b)
		body, err := message.ReadBody(r, message.Lite06, message.MaxBody, scratch)
		if err != nil || m.Parse(message.Lite06, body) != nil {
			t.Error("group:", err)
		}
		if got, err := message.ReadFrameHeader(r, message.Lite06, 1<<20); err != nil || got != h {
			t.Error("frame:", got, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUncleanPaths: paths are encoded in clean form.
func TestUncleanPaths(t *testing.T) {
	for _, p := range []string{"/", "//", "a/", "/a", "//a//b/", "a//b", strings.Repeat("//a", 32)} {
		clean, m := message.Track{Path: message.CleanPath(p)}, message.Track{Path: p}
		b := make([]byte, 0, 256)
		if n := testing.AllocsPerRun(10, func() { b = m.Append(message.Lite06, b[:0]) }); n != 0 {
			t.Errorf("%q: %v allocations", p, n)
		}
		if !bytes.Equal(b, clean.Append(message.Lite06, nil)) || m.Length(message.Lite06) != len(b) || m.Validate(message.Lite06) != nil {
			t.Errorf("%q: got %x of length %d, %v", p, b, m.Length(message.Lite06), m.Validate(message.Lite06))
		}
	}
}

// TestUnencodable: Validate refuses messages that cannot be encoded. Append does not panic,
// and appends as many bytes as Length says.
func TestUnencodable(t *testing.T) {
	const huge = math.MaxUint64
	for _, c := range []struct {
		name string
		v    *message.Version
		m    wire
		want error
	}{
		{"number", message.Lite06, &message.AnnounceEnd{ID: message.MaxVarint + 1}, message.ErrUnencodable},
		{"start group", message.Lite05, &message.SubscribeUpdate{message.SubscribeParams{StartGroup: message.MaxVarint}}, message.ErrUnencodable},
		{"start group", message.Lite03, &message.SubscribeOK{message.SubscribeParams{StartGroup: huge}}, message.ErrUnencodable},
		{"start floor", message.Lite06, &message.SubscribeUpdate{message.SubscribeParams{StartGroup: huge}}, message.ErrUnencodable},
		{"end group", message.Lite06, &message.SubscribeUpdate{message.SubscribeParams{EndGroup: huge}}, message.ErrUnencodable},
		{"frame bounds", message.Lite05, &message.SubscribeUpdate{message.SubscribeParams{StartFrame: 1}}, message.ErrUnencodable},
		{"frame bounds", message.Lite04, &message.Fetch{EndFrame: 1}, message.ErrUnencodable},
		{"frame bounds", message.Lite05, &message.Group{StartFrame: 1}, message.ErrUnencodable},
		{"end frame alone", message.Lite06, &message.Subscribe{SubscribeParams: message.SubscribeParams{EndFrame: 1}}, message.ErrUnencodable},
		{"end frame before start", message.Lite06, &message.Fetch{StartFrame: 3, EndFrame: 3}, message.ErrUnencodable},
		{"path of 33 segments", message.Lite06, &message.Track{Path: strings.Repeat("/a", 33)}, message.ErrUnencodable},
		{"path is not UTF-8", message.Lite06, &message.Track{Path: "\xc3\x28"}, message.ErrUnencodable},
		{"name is not UTF-8", message.Lite06, &message.Track{Name: "\xc3\x28"}, message.ErrUnencodable},
		{"33 hops", message.Lite06, &message.AnnounceStart{Hops: make([]uint64, 33)}, message.ErrUnencodable},
		{"loop", message.Lite06, &message.AnnounceUpdate{Hops: []uint64{1, 2, 1}}, message.ErrUnencodable},
		{"hop", message.Lite04, &message.Announce{Hops: []uint64{huge}}, message.ErrUnencodable},
		{"hop count", message.Lite03, &message.Announce{HopCount: 33}, message.ErrUnencodable},
		{"status", message.Lite05, &message.Announce{Status: 2}, message.ErrUnencodable},
		{"timescale", message.Lite06, &message.TrackInfo{}, message.ErrUnencodable},
		{"URI", message.Lite06, &message.GoAway{URI: strings.Repeat("a", message.MaxURI+1)}, message.ErrUnencodable},
		{"cost", message.Lite06, &message.Setup{Cost: huge, HasCost: true}, message.ErrUnencodable},
		{"timestamp", message.Lite06, &message.Datagram{Timestamp: huge}, message.ErrUnencodable},
		{"long datagram", message.Lite06, &message.Datagram{Payload: make([]byte, message.MaxDatagram)}, message.ErrTooLarge},
		{"long name", message.Lite06, &message.Track{Name: strings.Repeat("a", message.MaxBody)}, message.ErrTooLarge},
	} {
		t.Run(c.v.Name+"/"+c.name, func(t *testing.T) {
			if err := c.m.Validate(c.v); !errors.Is(err, c.want) {
				t.Errorf("validate: got %v, want %v", err, c.want)
			}
			if b := c.m.Append(c.v, nil); len(b) != c.m.Length(c.v) {
				t.Errorf("%d bytes, Length says %d", len(b), c.m.Length(c.v))
			}
		})
	}
}

// TestNearest: numbers that are out of range are encoded as the nearest that is not.
func TestNearest(t *testing.T) {
	var got message.Subscribe
	m := message.Subscribe{ID: math.MaxUint64, SubscribeParams: message.SubscribeParams{StartGroup: math.MaxUint64, MaxAge: math.MaxUint64}}
	k, _ := kindNamed("subscribe")
	body, err := k.body(message.Lite05, m.Append(message.Lite05, nil))
	if err != nil || got.Parse(message.Lite05, body) != nil {
		t.Fatal(err)
	}
	if got.ID != message.MaxVarint || got.StartGroup != message.MaxVarint-1 || got.Latest || got.MaxAge != message.MaxVarint {
		t.Errorf("got %+v", got)
	}
}

// TestLatest: Latest is sent as a bound of 0 in versions that cannot ask for the latest group.
func TestLatest(t *testing.T) {
	for _, v := range message.Versions() {
		m := message.SubscribeUpdate{message.SubscribeParams{Latest: true, StartGroup: 7}}
		var got message.SubscribeUpdate
		if err := got.Parse(v, m.Append(v, nil)[1:]); err != nil {
			t.Fatal(err)
		}
		if want := (message.SubscribeUpdate{message.SubscribeParams{Latest: !v.StartFloor}}); got != want {
			t.Errorf("%s: got %+v, want %+v", v, got, want)
		}
	}
}

// TestParseKeepsNothing changes a body after it was parsed.
func TestParseKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, k kind, v *message.Version) {
		want := generate(v, 3).message(k.name)
		b := want.Append(v, nil)
		body, err := k.body(v, b)
		if err != nil {
			t.Fatal(err)
		}
		got := k.make()
		if err := got.Parse(v, body); err != nil {
			t.Fatal(err)
		}
		clear(body)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
