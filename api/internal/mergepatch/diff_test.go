package mergepatch

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, test := range [][3]string{ // before, after, patch; "" if there is none
		{`{"a":1,"b":2}`, `{"a":1,"b":2}`, `{}`},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, `{}`},
		{`{"a":1,"b":2}`, `{"a":1,"b":3}`, `{"b":3}`},
		{`{"a":1,"b":2}`, `{"b":2}`, `{"a":null}`},
		{`{"a":1}`, `{"a":1,"b":[null,{"c":null}]}`, `{"b":[null,{"c":null}]}`},
		{`{"a":{"b":1,"c":{"d":2}}}`, `{"a":{"b":1,"c":{"d":3}}}`, `{"a":{"c":{"d":3}}}`},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"c":2,"b":1}}`, `{}`},
		{`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":null}}`},
		{`{"a":{"b":1}}`, `{"a":7}`, `{"a":7}`},
		{`{"a":[1,2]}`, `{"a":[1,2,3]}`, `{"a":[1,2,3]}`},
		{`{"n":9007199254740992}`, `{"n":9007199254740993}`, `{"n":9007199254740993}`},
		{`{"constructor":{"prototype":1},"__proto__":1}`, `{"constructor":{"prototype":2},"__proto__":1}`, `{"constructor":{"prototype":2}}`},
		{`{"a\"}{":"}{\\","b":1}`, `{"a\"}{":"}{\"","b":1}`, `{"a\"}{":"}{\""}`},
		{`{"\u0061":1,"b":2}`, `{"a":1,"b":2}`, `{}`},
		{`{"e":null,"b":2}`, `{"e":null,"b":3}`, `{"b":3}`},

		{`{"a":1}`, `{"a":null}`, ``},
		{`{"a":1}`, `{"a":1,"b":{"c":null}}`, ``},
		{`{"a":1}`, `{"a":{"c":{"d":null}}}`, ``},
		{`{"a":1}`, `{"a":1,"a":2}`, ``},
		{`{"a":1}`, `{"b":{"c":1,"\u0063":2}}`, ``},
		{`[1]`, `[2]`, ``},
		{`{}`, `"x"`, ``},
	} {
		var d Differ
		patch, ok := d.Append(nil, []byte(test[0]), []byte(test[1]))
		if ok != (test[2] != "") || string(patch) != test[2] {
			t.Errorf("%s to %s is %s, %v, and should be %s", test[0], test[1], patch, ok, test[2])
		}
	}
	for text, want := range map[string]bool{
		`{}`: true, `[]`: false, `{"a":null,"b":[{"c":1,"c":2}]}`: true, `{"a":{"b":1,"\u0062":1}}`: false,
	} {
		if Patchable([]byte(text)) != want {
			t.Errorf("%s is patchable: %v", text, !want)
		}
	}
}

// FuzzDiff checks that a patch makes the one document of the other.
func FuzzDiff(f *testing.F) {
	f.Add(`{"a":{"b":[1,2.50],"c":"\u0041"},"d":null}`, `{"d":null,"a":{"c":"A","e":{}}}`)
	f.Add(`{"a":{}}`, `{"a":{"a":{"a":[null]}}}`)
	f.Add(`{"":0,"\"":1}`, `{"\u0022":1,"":{}}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		var a, b bytes.Buffer
		if json.Compact(&a, []byte(before)) != nil || json.Compact(&b, []byte(after)) != nil || !Patchable(a.Bytes()) {
			return
		}
		var d Differ
		patch, ok := d.Append(nil, a.Bytes(), b.Bytes())
		if !ok {
			return
		}
		got, err := Apply(a.Bytes(), patch)
		if err != nil {
			t.Fatalf("%s to %s is %s: %v", before, after, patch, err)
		}
		have, _ := Decode(got)
		want, _ := Decode(b.Bytes())
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s with %s is %s, and should be %s", before, patch, got, after)
		}
		if !Patchable(b.Bytes()) {
			t.Errorf("%s has a patch to %s, which has none itself", before, after)
		}
	})
}
