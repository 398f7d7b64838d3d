package qmux

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// A vector is an entry of testdata/vectors-qmux.json.
type vector struct {
	Version string
	Message string
	Fields  struct {
		ID, Offset, Code, FinalSize, Max, Limit, Sequence uint64
		Data, Reason                                      string
		Fin                                               bool
		Params                                            struct {
			MaxIdleTimeout                                                                         uint64
			InitialMaxData                                                                         uint64
			InitialMaxStreamDataBidiLocal, InitialMaxStreamDataBidiRemote, InitialMaxStreamDataUni uint64
			InitialMaxStreamsBidi, InitialMaxStreamsUni, MaxDatagramFrameSize, MaxRecordSize       uint64
			ResetStreamAt                                                                          bool
		}
	}
	Hex string
}

var kinds = map[string]frameType{
	"stream": frameStream, "reset_stream": frameResetStream, "stop_sending": frameStopSending,
	"connection_close": frameConnectionClose, "application_close": frameApplicationClose,
	"max_data": frameMaxData, "max_stream_data": frameMaxStreamData,
	"max_streams_bidi": frameMaxStreamsBidi, "max_streams_uni": frameMaxStreamsUni,
	"data_blocked": frameDataBlocked, "stream_data_blocked": frameStreamDataBlocked,
	"streams_blocked_bidi": frameStreamsBlockedBidi, "streams_blocked_uni": frameStreamsBlockedUni,
	"ping_request": framePingRequest, "ping_response": framePingResponse,
	"datagram": frameDatagramLen, "transport_parameters": frameParams,
}

// frame is what the vector describes.
func (v *vector) frame(t *testing.T, draft Version) frame {
	t.Helper()
	kind, ok := kinds[v.Message]
	if !ok {
		t.Fatalf("message %q", v.Message)
	}
	data := unhex(t, v.Fields.Data)
	if v.Fields.Reason != "" {
		data = []byte(v.Fields.Reason)
	}
	if kind == frameParams {
		p := v.params()
		data = p.append(nil, draft)
	}
	return frame{
		kind: kind, id: v.Fields.ID, offset: v.Fields.Offset, code: v.Fields.Code,
		value:     v.Fields.FinalSize + v.Fields.Max + v.Fields.Limit + v.Fields.Sequence,
		hasOffset: kind == frameStream, fin: v.Fields.Fin, data: data,
	}
}

func (v *vector) params() Params {
	p := v.Fields.Params
	return Params{
		IdleTimeout: time.Duration(p.MaxIdleTimeout) * time.Millisecond, MaxData: p.InitialMaxData,
		StreamDataLocal: p.InitialMaxStreamDataBidiLocal, StreamDataRemote: p.InitialMaxStreamDataBidiRemote,
		StreamDataUni: p.InitialMaxStreamDataUni, StreamsBidi: p.InitialMaxStreamsBidi, StreamsUni: p.InitialMaxStreamsUni,
		MaxDatagram: p.MaxDatagramFrameSize, MaxRecord: p.MaxRecordSize, ResetStreamAt: p.ResetStreamAt,
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors are those of the drafts that are spoken: the framing before them,
// "webtransport", names no moq-lite version.
func vectors(t testing.TB) (vs []vector, drafts []Version) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors-qmux.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if draft, _, ok := ParseSubprotocol(v.Version + ".x"); ok {
			vs, drafts = append(vs, v), append(drafts, draft)
		}
	}
	if len(vs) < 100 {
		t.Fatalf("%d vectors", len(vs))
	}
	return vs, drafts
}

func TestVectors(t *testing.T) {
	vs, drafts := vectors(t)
	for i, v := range vs {
		want, raw := v.frame(t, drafts[i]), unhex(t, v.Hex)
		if got := want.append(nil); !bytes.Equal(got, raw) {
			t.Errorf("%s %s: wrote %x, want %x", v.Version, v.Message, got, raw)
		}
		p := parser{b: raw}
		got, err := p.next(drafts[i])
		if len(got.data) == 0 && len(want.data) == 0 {
			got.data, want.data = nil, nil
		}
		if err != nil || len(p.b) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %x: read %+v, %v, want %+v", v.Version, raw, got, err, want)
		}
		if want.kind == frameParams {
			if p, err := parseParams(got.data); err != nil || !reflect.DeepEqual(p, v.params()) {
				t.Errorf("%s: parameters %+v, %v, want %+v", v.Version, p, err, v.params())
			}
		}
		for n := range raw {
			p := parser{b: raw[:n]}
			if f, err := p.next(drafts[i]); err == nil {
				t.Errorf("%x of %x: read %+v", raw[:n], raw, f)
			}
		}
	}
}

func TestStreamFlags(t *testing.T) {
	for in, want := range map[string]frame{
		"0804aabb":       {id: 4, data: []byte{0xaa, 0xbb}},
		"0904aabb":       {id: 4, fin: true, data: []byte{0xaa, 0xbb}},
		"0a0402aabb":     {id: 4, data: []byte{0xaa, 0xbb}},
		"0b0402aabb":     {id: 4, fin: true, data: []byte{0xaa, 0xbb}},
		"0c0407aabb":     {id: 4, hasOffset: true, offset: 7, data: []byte{0xaa, 0xbb}},
		"0d0407aabb":     {id: 4, hasOffset: true, offset: 7, fin: true, data: []byte{0xaa, 0xbb}},
		"0e040702aabb":   {id: 4, hasOffset: true, offset: 7, data: []byte{0xaa, 0xbb}},
		"0f040702aabb00": {id: 4, hasOffset: true, offset: 7, fin: true, data: []byte{0xaa, 0xbb}},
	} {
		want.kind = frameStream
		p := parser{b: unhex(t, in)}
		if got, err := p.next(Version01); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestBadParams(t *testing.T) {
	for in, ok := range map[string]bool{
		"":                           true,
		"040105":                     true,
		"3f021234":                   true,  // unknown
		"3f003f00":                   true,  // even twice
		"04010504 0106":              false, // twice
		"000100":                     false,
		"0a0100":                     false,
		"100100":                     false,
		"0402ff":                     false,
		"04020505":                   false,
		"0400":                       false,
		"1d0100":                     false,
		"0808d000000000000001":       false,
		"c571c59429cd0845027ffd":     false,
		"fd4f9c2a8b1e60750401610162": true,
		"fd4f9c2a8b1e607504016100ff": false,
		"fd4f9c2a8b1e60750100":       false,
	} {
		b := unhex(t, string(bytes.ReplaceAll([]byte(in), []byte(" "), nil)))
		if p, err := parseParams(b); (err == nil) != ok {
			t.Errorf("%s: %+v, %v", in, p, err)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for name, ok := range map[string]bool{
		"qmux-00.moq-lite-06": true, "qmux-01.a": true, "qmux-02.a.b": true,
		"qmux-03.a": false, "qmux-01": false, "qmux-01.": false, "webtransport": false, "": false,
	} {
		v, p, got := ParseSubprotocol(name)
		if got != ok || ok && v.Subprotocol(p) != name {
			t.Errorf("%q: %v, %q, %t", name, v, p, got)
		}
	}
}

// What is read is written and read again as it was.
func FuzzFrame(f *testing.F) {
	vs, drafts := vectors(f)
	for i, v := range vs {
		f.Add(unhex(f, v.Hex), uint8(drafts[i]))
	}
	f.Fuzz(func(t *testing.T, b []byte, draft uint8) {
		v := Version(draft % 3)
		for p := (parser{b: b}); len(p.b) > 0; {
			got, err := p.next(v)
			if err != nil {
				return
			}
			if got.kind == frameParams {
				fuzzParams(t, got.data, v)
			}
			again := parser{b: got.append(nil)}
			got.hasOffset = got.kind == frameStream
			back, err := again.next(v)
			if len(got.data) == 0 && len(back.data) == 0 {
				got.data, back.data = nil, nil
			}
			if err != nil || len(again.b) > 0 || !reflect.DeepEqual(got, back) {
				t.Fatalf("%+v became %+v, %v", got, back, err)
			}
		}
	})
}

func fuzzParams(t *testing.T, b []byte, v Version) {
	p, err := parseParams(b)
	if err != nil {
		return
	}
	p.ResetStreamAt = p.ResetStreamAt && v >= Version02
	back, err := parseParams(p.append(nil, v))
	if len(p.Protocols) == 0 && len(back.Protocols) == 0 {
		p.Protocols, back.Protocols = nil, nil
	}
	if err != nil || !reflect.DeepEqual(p, back) {
		t.Fatalf("%+v became %+v, %v", p, back, err)
	}
}
