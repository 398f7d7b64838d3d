package mergepatch

import (
	"reflect"
	"strings"
	"testing"
)

// TestApply has the cases of RFC 7396, appendix A, and others.
func TestApply(t *testing.T) {
	for _, test := range [][3]string{ // document, patch, document after it
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},

		{`null`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
		{`{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"__proto__":{"a":1}}`, `{"__proto__":{"b":2},"constructor":{"prototype":{"c":3}}}`, `{"__proto__":{"a":1,"b":2},"constructor":{"prototype":{"c":3}}}`},
		{`{"n":9007199254740993,"m":1e400}`, `{"k":0.10000000000000000000001}`, `{"k":0.10000000000000000000001,"m":1e400,"n":9007199254740993}`},
		{`{"a":"<&>"}`, `{"":"é"}`, `{"":"é","a":"<&>"}`},
		{`{"a":1,"a":{"b":2}}`, `{"a":{"c":3}}`, `{"a":{"b":2,"c":3}}`},
		{` { "b" : 1 , "a" : 2 } `, `{}`, `{"a":2,"b":1}`},
	} {
		got, err := Apply([]byte(test[0]), []byte(test[1]))
		if err != nil || string(got) != test[2] {
			t.Errorf("%s with %s is %s, %v, and should be %s", test[0], test[1], got, err, test[2])
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for _, test := range [][3]string{
		{``, `{}`, "document: it is not JSON"},
		{`{}`, ``, "patch: it is not JSON"},
		{`{} {}`, `{}`, "document: it is not JSON"},
		{"\ufeff{}", `{}`, "document: it is not JSON"},
		{`{}`, `{"a":NaN}`, "patch: it is not JSON"},
		{`{}`, deep, "patch: it is not JSON"},
	} {
		if got, err := Apply([]byte(test[0]), []byte(test[1])); err == nil || err.Error() != test[2] {
			t.Errorf("%.20s with %.20s is %s, %v", test[0], test[1], got, err)
		}
	}
}

// FuzzApply checks what holds of any document and patch: applied again, the
// patch changes nothing, and the document is JSON of the same value.
func FuzzApply(f *testing.F) {
	f.Add(`{"a":{"b":[1,2.50]}}`, `{"a":{"b":null,"c":{"d":null}}}`)
	f.Add(`[]`, `{"__proto__":1e999}`)
	f.Add("{\"\xff\":1}", `{"\ud800":"\u2028<"}`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		once, err := Apply([]byte(doc), []byte(patch))
		if err != nil {
			return
		}
		twice, err := Apply(once, []byte(patch))
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s with %s is %s, and with that again %s, %v", doc, patch, once, twice, err)
		}
		v, err := Decode(once)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Append([]byte("x"), v)
		if err != nil || string(again) != "x"+string(once) {
			t.Errorf("%s is written as %s, %v", once, again, err)
		}
		if w, err := Decode(again[1:]); err != nil || !reflect.DeepEqual(v, w) {
			t.Errorf("%v is read as %v, %v", v, w, err)
		}
	})
}
