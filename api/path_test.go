package api_test

import (
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
)

func TestPathClean(t *testing.T) {
	for in, want := range map[api.BroadcastPath]api.BroadcastPath{
		"": "", "/": "", "//": "", "a": "a", "/a": "a", "a/": "a", "//a//b/": "a/b",
		"a/./../b": "a/./../b", "A/b": "A/b", "/a b/\x00": "a b/\x00",
	} {
		if got := in.Clean(); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPathValidate(t *testing.T) {
	longest := api.BroadcastPath(strings.Repeat("a/", api.MaxPathSegments))
	for path, valid := range map[api.BroadcastPath]bool{
		"": true, "a/b": true, "東京/😀": true, longest: true, longest + "b": false, "a/\xff": false,
	} {
		if err := path.Validate(); (err == nil) != valid {
			t.Errorf("Validate(%q) = %v", path, err)
		}
	}
}

func TestPathPrefix(t *testing.T) {
	for _, test := range []struct {
		path, prefix api.BroadcastPath
		has          bool
		rel          api.BroadcastPath
	}{
		{"a/b", "", true, "a/b"},
		{"a/b", "a", true, "b"},
		{"a/b", "a/b", true, ""},
		{"", "", true, ""},
		{"ab", "a", false, ""},
		{"a", "a/b", false, ""},
		{"a/bc", "a/b", false, ""},
	} {
		if got := test.path.HasPrefix(test.prefix); got != test.has {
			t.Errorf("%q.HasPrefix(%q) = %v", test.path, test.prefix, got)
		}
		if !test.has {
			continue
		}
		rel := test.path.Rel(test.prefix)
		if rel != test.rel {
			t.Errorf("%q.Rel(%q) = %q, want %q", test.path, test.prefix, rel, test.rel)
		}
		if joined := test.prefix.Join(rel); joined != test.path {
			t.Errorf("%q.Join(%q) = %q, want %q", test.prefix, rel, joined, test.path)
		}
	}
}
