package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Pattern names broadcast paths, in grants. Its segments are joined by
// slashes:
//
//	room      this segment and no other; upper and lower case differ
//	*         any one segment
//	cam-*-hd  any one segment that begins and ends so; one * at most
//	**        any number of segments, also none; once in a pattern at most
//
// So "room" is one broadcast, "room/**" is it and all below it, "**" is
// everything, and the empty pattern is the root itself. A pattern has at most
// [MaxPathSegments] segments, none of them empty: no slash begins or ends it.
//
// Paths are compared byte by byte in the form in which they were dialled or
// announced; nothing is unescaped, so "a%2Fb" is one segment.
//
// The canonical form, which [ParsePattern] returns, has "**" before
// neighbouring "*". Of text that is no valid pattern, a Pattern matches
// nothing.
//
//	Pattern("room/*/audio").Matches("room/alice/audio") // true
//	Pattern("room/*/audio").Matches("room/alice")       // false: a segment is missing
//	Pattern("room/**").Matches("room")                  // true: ** stands for none too
//
// A Pattern is a plain value: nothing is compiled, and any number of
// goroutines may use it at once.
type Pattern string

// anything is the segment that stands for any number of them.
const anything = "**"

// ParsePattern returns the canonical form of a pattern, or what is wrong with
// it. Two patterns that differ in the order of "**" and "*" alone have the same
// canonical form, which can be compared with ==.
func ParsePattern(s string) (Pattern, error) {
	p := Pattern(s)
	if err := p.Validate(); err != nil {
		return "", err
	}
	return p.canonical(), nil
}

// Validate reports why p is no pattern: it is longer than [MaxPathBytes] or has
// more than [MaxPathSegments], is not UTF-8, has an empty segment, or has more
// asterisks than allowed. What comes from a token or a file is validated where
// it is read; later on, an invalid pattern silently matches nothing.
func (p Pattern) Validate() error {
	if p == "" {
		return nil
	}
	if len(p) > MaxPathBytes {
		return fmt.Errorf("pattern has %d bytes, the most is %d", len(p), MaxPathBytes)
	}
	if !utf8.ValidString(string(p)) {
		return errors.New("pattern is not UTF-8")
	}
	if n := p.count(); n > MaxPathSegments {
		return fmt.Errorf("pattern has %d segments, the most is %d", n, MaxPathSegments)
	}
	open := 0
	for segment := range strings.SplitSeq(string(p), "/") {
		switch {
		case segment == "":
			return fmt.Errorf("pattern %q: empty path segment", string(p))
		case segment == anything:
			open++
		case strings.Count(segment, "*") > 1:
			return fmt.Errorf("pattern %q: invalid pattern segment: %q", string(p), segment)
		}
	}
	if open > 1 {
		return fmt.Errorf("pattern %q: only one segment may be **", string(p))
	}
	return nil
}

// wild reports whether p names more than one path.
func (p Pattern) wild() bool { return strings.Contains(string(p), "*") }

// count returns the number of segments.
func (p Pattern) count() int {
	if p == "" {
		return 0
	}
	return strings.Count(string(p), "/") + 1
}

// canonical returns the canonical form of a valid pattern. "*/**" and "**/*" both
// name what has at least one segment; the second form is the canonical one.
func (p Pattern) canonical() Pattern {
	if !strings.Contains(string(p), "*/"+anything) {
		return p
	}
	segments := strings.Split(string(p), "/")
	for i := slices.Index(segments, anything); i > 0 && segments[i-1] == "*"; i-- {
		segments[i-1], segments[i] = anything, "*"
	}
	return Pattern(strings.Join(segments, "/"))
}

// Matches reports whether p names path. It allocates nothing if path is clean
// ([BroadcastPath.Clean]). It compares segments from the front up to "**", and
// those after it from the end.
func (p Pattern) Matches(path BroadcastPath) bool {
	if p.Validate() != nil {
		return false
	}
	rest, segments := string(path.Clean()), string(p)
	for segments != "" {
		var segment, name string
		if segment, segments = firstSegment(segments); segment == anything {
			return matchesEnd(segments, rest)
		}
		if rest == "" {
			return false
		}
		if name, rest = firstSegment(rest); !segmentMatches(segment, name) {
			return false
		}
	}
	return rest == ""
}

// matchesEnd reports whether path ends with what segments name.
func matchesEnd(segments, path string) bool {
	for segments != "" {
		var segment, name string
		if path == "" {
			return false
		}
		segment, segments = lastSegment(segments)
		if name, path = lastSegment(path); !segmentMatches(segment, name) {
			return false
		}
	}
	return true
}

// firstSegment returns the first segment of a path that is not empty, and those
// after it.
func firstSegment(path string) (first, rest string) {
	first, rest, _ = strings.Cut(path, "/")
	return first, rest
}

// lastSegment returns the last segment of a path that is not empty, and those
// before it.
func lastSegment(path string) (last, rest string) {
	i := strings.LastIndexByte(path, '/')
	return path[i+1:], path[:max(i, 0)]
}

// segmentMatches reports whether a segment of a pattern, but for "**", names a
// segment of a path.
func segmentMatches(segment, name string) bool {
	before, after, wild := strings.Cut(segment, "*")
	if !wild {
		return segment == name
	}
	return len(name) >= len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// segmentCovers reports whether a segment of a pattern names all that another
// one does; neither is "**". "cam-*" covers "cam-1" and "cam-*-hd", and is not
// covered by either.
func segmentCovers(segment, other string) bool {
	before, after, wild := strings.Cut(segment, "*")
	otherBefore, otherAfter, otherWild := strings.Cut(other, "*")
	switch {
	case !otherWild:
		return segmentMatches(segment, other)
	case !wild:
		return false
	default:
		return strings.HasPrefix(otherBefore, before) && strings.HasSuffix(otherAfter, after)
	}
}

// split returns the segments before and after "**", and whether there is one.
func (p Pattern) split() (head, tail []string, open bool) {
	if p == "" {
		return nil, nil, false
	}
	segments := strings.Split(string(p), "/")
	i := slices.Index(segments, anything)
	if i < 0 {
		return segments, nil, false
	}
	return segments[:i], segments[i+1:], true
}

// Covers reports whether p names every path that other does, so that whoever may
// use p may be granted other:
//
//	Pattern("room/**").Covers("room/cam-*") // true
//	Pattern("room/*").Covers("room/**")     // false: that names room/a/b too
//
// Each pattern covers itself. An invalid pattern neither covers nor is covered.
func (p Pattern) Covers(other Pattern) bool {
	if p.Validate() != nil || other.Validate() != nil {
		return false
	}
	head, tail, open := p.split()
	otherHead, otherTail, otherOpen := other.split()
	if !otherOpen {
		return coversEach(head, tail, open, otherHead)
	}
	if !open { // other names paths of any length
		return false
	}
	// "**" of other is as well none, one, two … of "*". From as many on as p has
	// segments on either side, one more makes no difference.
	for n := range max(len(head), len(tail)) + 1 {
		if !coversEach(head, tail, open, slices.Concat(otherHead, slices.Repeat([]string{"*"}, n), otherTail)) {
			return false
		}
	}
	return true
}

// coversEach reports whether the pattern of head, "**" if open, and tail covers
// a pattern without "**".
func coversEach(head, tail []string, open bool, segments []string) bool {
	n := len(head) + len(tail)
	if len(segments) < n || len(segments) > n && !open {
		return false
	}
	return covered(head, segments) && covered(tail, segments[len(segments)-len(tail):])
}

// covered reports whether each of segments covers the one at its place in
// others, which may be more.
func covered(segments, others []string) bool {
	for i, segment := range segments {
		if !segmentCovers(segment, others[i]) {
			return false
		}
	}
	return true
}

// Below returns what p names below path, relative to it, in canonical form:
// "a/b/**" leaves "b/**" below "a", and "**" below "a/b/c". Nothing is left
// where p names nothing there, and more than one pattern where the end of path
// may be a part of "**" or come after it: "a/**/z" leaves the empty pattern and
// "**/z" below "a/z".
//
// A server uses it for a session that was dialled at path: what the session may
// do below its own root follows from what was granted above it.
// Below is the inverse of [Pattern.Under].
func (p Pattern) Below(path BroadcastPath) Patterns {
	if p.Validate() != nil {
		return nil
	}
	head, tail, open := p.canonical().split()
	var names []string
	if path = path.Clean(); path != "" {
		names = strings.Split(string(path), "/")
	}
	// Before "**", each segment takes one name.
	for len(head) > 0 && len(names) > 0 {
		if !segmentMatches(head[0], names[0]) {
			return nil
		}
		head, names = head[1:], names[1:]
	}
	if !open {
		if len(names) > 0 { // path is longer than all that p names
			return nil
		}
		return Patterns{Pattern(strings.Join(head, "/"))}
	}
	// If "**" takes all other names, it may take more of them below path.
	left := Patterns{Pattern(strings.Join(slices.Concat(head, []string{anything}, tail), "/")).canonical()}
	for n := 1; n <= min(len(names), len(tail)); n++ { // names of path that come after "**"
		if matchAll(tail[:n], names[len(names)-n:]) {
			left = append(left, Pattern(strings.Join(tail[n:], "/")))
		}
	}
	return left.reduced()
}

// matchAll reports whether each segment names the one at its place.
func matchAll(segments, names []string) bool {
	for i, segment := range segments {
		if !segmentMatches(segment, names[i]) {
			return false
		}
	}
	return true
}

// Under returns the pattern that names below path what p names below the root,
// in canonical form: "cam-*" under "room" is "room/cam-*". It fails where that
// has too many segments, and where path contains "*", which no pattern could
// name as it is.
func (p Pattern) Under(path BroadcastPath) (Pattern, error) {
	path = path.Clean()
	if strings.Contains(string(path), "*") {
		return "", fmt.Errorf("path %q contains *, which only patterns may", string(path))
	}
	if err := p.Validate(); err != nil {
		return "", err
	}
	return ParsePattern(string(path.Join(BroadcastPath(p))))
}
