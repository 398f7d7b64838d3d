package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// A patternVector is a case of testdata/patterns.json.
type patternVector struct {
	Patterns []string
	Match    *string
	Covers   []string
	Rebase   *string
	Rooted   *string
	Want     struct {
		Error     string
		Canonical []string
		Matches   bool
		Covers    bool
		Rebased   []string
		Rooted    struct{ Error string }
	}
}

func patternVectors(t testing.TB) []patternVector {
	t.Helper()
	text, err := os.ReadFile("testdata/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []patternVector }
	if err := json.Unmarshal(text, &file); err != nil || len(file.Cases) == 0 {
		t.Fatal(err, len(file.Cases))
	}
	return file.Cases
}

func TestPatternVectors(t *testing.T) {
	for _, v := range patternVectors(t) {
		name := fmt.Sprintf("%q", v.Patterns)
		for what, arg := range map[string]*string{"matches": v.Match, "below": v.Rebase, "under": v.Rooted} {
			if arg != nil {
				name += fmt.Sprintf(" %s %q", what, *arg)
			}
		}
		if v.Covers != nil {
			name += fmt.Sprintf(" covers %q", v.Covers)
		}
		t.Run(name, func(t *testing.T) { v.check(t) })
	}
}

func (v patternVector) check(t *testing.T) {
	ps, err := api.ParsePatterns(v.Patterns...)
	if v.Want.Error != "" {
		if err == nil || !strings.Contains(err.Error(), v.Want.Error) {
			t.Fatalf("error %v, want %q", err, v.Want.Error)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkPatterns(t, "canonical", ps, v.Want.Canonical...)
	if v.Match != nil {
		if got := ps.Matches(api.BroadcastPath(*v.Match)); got != v.Want.Matches {
			t.Errorf("matches: %v", got)
		}
	}
	if v.Covers != nil {
		others, err := api.ParsePatterns(v.Covers...)
		if got := ps.Covers(others); err != nil || got != v.Want.Covers {
			t.Errorf("covers: %v, %v", got, err)
		}
	}
	if v.Rebase != nil {
		checkPatterns(t, "below", ps.Below(api.BroadcastPath(*v.Rebase)), v.Want.Rebased...)
	}
	if v.Rooted != nil {
		if _, err := ps.Under(api.BroadcastPath(*v.Rooted)); err == nil || v.Want.Rooted.Error == "" {
			t.Errorf("under: %v, want %q", err, v.Want.Rooted.Error)
		}
	}
}

func checkPatterns(t *testing.T, what string, got api.Patterns, want ...string) {
	t.Helper()
	var texts []string
	for _, p := range got {
		texts = append(texts, string(p))
	}
	slices.Sort(want)
	if !slices.Equal(texts, want) {
		t.Errorf("%s: %q, want %q", what, texts, want)
	}
}

func TestPatterns(t *testing.T) {
	for text, want := range map[string]string{
		"a//b": "empty path segment", "/": "empty path segment", "**/a/**": "only one segment", "a*b*c": "invalid pattern segment",
		"***": "invalid pattern segment", "\xff": "UTF-8", strings.Repeat("a/", 32) + "a": "33 segments",
		"a/" + strings.Repeat("b", api.MaxPathBytes): "bytes",
	} {
		if p, err := api.ParsePattern(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", text[:min(len(text), 20)], p, err, want)
		}
		p := api.Pattern(text) // not parsed, it names nothing
		if p.Matches(api.BroadcastPath(text)) || p.Matches("a") || p.Covers("a") || api.Pattern("**").Covers(p) || p.Below("") != nil {
			t.Errorf("%q names something", text[:min(len(text), 20)])
		}
	}
	if p, err := api.Pattern("cam/*/**").Under("/a//b/"); err != nil || p != "a/b/cam/**/*" {
		t.Errorf("under: %q, %v", p, err)
	}
	if p, err := api.Pattern("").Under("a"); err != nil || p != "a" {
		t.Errorf("under: %q, %v", p, err)
	}
	if !api.Pattern("").Matches("") || !api.Pattern("a/**").Matches("/a//b/") || api.Pattern("a/b").Matches("a%2Fb") {
		t.Error("matches otherwise")
	}
	checkPatterns(t, "below", api.Pattern("a/**/z").Below("a/z"), "", "**/z")
	checkPatterns(t, "below", api.Pattern("**/*").Below("a"), "", "**/*")
	checkPatterns(t, "below", api.Patterns{"cam"}.Below("cam/hd"))
	checkPatterns(t, "below", api.Patterns{"cam", "c*/**"}.Below("cam"), "**")
}

// segments of which the tests of properties make patterns, and names of which
// they make paths: every two segments that differ differ in one of these names.
var (
	patternSegments = []string{"a", "ab", "*", "*", "a*", "*b", "a*b", "**", "**"}
	pathNames       = []string{"a", "ab", "b", "x", "ax", "xb", "axb", "xa"}
)

// randomPattern returns a valid pattern of at most 4 segments.
func randomPattern(r *rand.Rand) api.Pattern {
	for {
		segments := make([]string, r.IntN(5))
		for i := range segments {
			segments[i] = patternSegments[r.IntN(len(patternSegments))]
		}
		if p := api.Pattern(strings.Join(segments, "/")); p.Validate() == nil {
			return p
		}
	}
}

// allPaths returns the paths of at most n segments.
func allPaths(n int) []api.BroadcastPath {
	paths := []api.BroadcastPath{""}
	for from := 0; n > 0; n-- {
		longer := paths[from:]
		from = len(paths)
		for _, p := range longer {
			for _, name := range pathNames {
				paths = append(paths, p.Join(api.BroadcastPath(name)))
			}
		}
	}
	return paths
}

// names is a naive matcher: it tries every way to divide the path.
func names(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return names(pattern[1:], path) || len(path) > 0 && names(pattern, path[1:])
	default:
		return len(path) > 0 && glob(pattern[0], path[0]) && names(pattern[1:], path[1:])
	}
}

// glob is a naive matcher of one segment; no name is empty.
func glob(segment, name string) bool {
	switch {
	case segment == "":
		return name == ""
	case segment[0] == '*':
		return glob(segment[1:], name) || name != "" && glob(segment, name[1:])
	default:
		return name != "" && name[0] == segment[0] && glob(segment[1:], name[1:])
	}
}

func segmentsOf(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// TestPatternProperties compares random patterns with the naive matcher, over
// all paths of up to 4 segments.
func TestPatternProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	paths := allPaths(4)
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	named := func(p api.Pattern) []bool {
		all := make([]bool, len(paths))
		for i, path := range paths {
			all[i] = names(segmentsOf(string(p)), segmentsOf(string(path)))
		}
		return all
	}
	for range rounds {
		p, q := randomPattern(r), randomPattern(r)
		ofP, ofQ := named(p), named(q)
		canonical, err := api.ParsePattern(string(p))
		if err != nil {
			t.Fatal(err)
		}
		covers := true
		for i, path := range paths {
			if got := p.Matches(path); got != ofP[i] || canonical.Matches(path) != got {
				t.Fatalf("%q matches %q: %v", p, path, got)
			}
			covers = covers && (ofP[i] || !ofQ[i])
		}
		// Without "**" of 4 segments or "**" of 3, these paths tell all.
		if p.Covers(q) != covers {
			t.Fatalf("%q covers %q: %v", p, q, !covers)
		}
		at := paths[r.IntN(1+len(pathNames)+len(pathNames)*len(pathNames))]
		below := p.Below(at)
		union, err := api.Patterns{p, q}.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		under, err := p.Under(at)
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range paths[:len(paths)/8] {
			if union.Matches(path) != (ofP[i] || ofQ[i]) {
				t.Fatalf("the union %q of %q and %q: %q", union, p, q, path)
			}
			full := at.Join(path)
			if got, want := below.Matches(path), names(segmentsOf(string(p)), segmentsOf(string(full))); got != want {
				t.Fatalf("%q below %q is %q: matches %q: %v", p, at, below, path, got)
			}
			if under.Matches(full) != ofP[i] || under.Matches(path) && !path.HasPrefix(at) {
				t.Fatalf("%q under %q is %q: %q", p, at, under, full)
			}
		}
	}
}

func TestPatternsAllocateNothing(t *testing.T) {
	ps := api.Patterns{"room/*/cam-*-hd", "a/**/z", "**/b"}
	path := api.BroadcastPath("room/1/cam-2-hd")
	if n := testing.AllocsPerRun(100, func() { ps.Matches(path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPattern(f *testing.F) {
	for _, v := range patternVectors(f) {
		f.Add(strings.Join(v.Patterns, " "), "a/b")
	}
	f.Fuzz(func(t *testing.T, text, at string) {
		path := api.BroadcastPath(at)
		p, err := api.ParsePattern(text)
		if err != nil {
			if api.Pattern(text).Matches(path) {
				t.Errorf("%q is no pattern, and matches", text)
			}
			return
		}
		if again, err := api.ParsePattern(string(p)); err != nil || again != p {
			t.Errorf("%q is not canonical: %q, %v", p, again, err)
		}
		if !p.Covers(p) || !api.Pattern("**").Covers(p) {
			t.Errorf("%q is not covered", p)
		}
		if p.Matches(path) != p.Below(path).Matches("") {
			t.Errorf("%q matches %q: %v", p, path, p.Matches(path))
		}
		if under, err := p.Under(path); err == nil && !api.Patterns(under.Below(path)).Covers(api.Patterns{p}) {
			t.Errorf("%q under %q is %q, which leaves %q", p, path, under, under.Below(path))
		}
	})
}
