package api

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of a path that can be sent.
const (
	// MaxPathSegments is the most segments that a path may have.
	MaxPathSegments = 32
	// MaxPathBytes is the most bytes that a path may have: a message of 64 KiB
	// then has room for the path and its other fields.
	MaxPathBytes = 63 << 10
)

// A BroadcastPath names a broadcast: segments joined by slashes, compared byte
// by byte. "." and ".." are ordinary segments, so a valid path is not a safe
// file name. It is the Broadcast Path of moq-lite-06, "SUBSCRIBE", "FETCH" and
// "TRACK"; an announcement has the part of it below the requested prefix.
type BroadcastPath string

// Clean returns p without leading and trailing slashes and with each run of
// slashes replaced by one. Paths are compared and returned in this form.
func (p BroadcastPath) Clean() BroadcastPath {
	s := string(p)
	if s == "" || s[0] != '/' && s[len(s)-1] != '/' && !strings.Contains(s, "//") {
		return p
	}
	var b strings.Builder
	b.Grow(len(s))
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(segment)
	}
	return BroadcastPath(b.String())
}

// Validate reports why p, once clean, cannot be sent: more than
// [MaxPathSegments] segments or [MaxPathBytes] bytes, or text that is not
// UTF-8. The empty path is valid: it is the session's root.
func (p BroadcastPath) Validate() error {
	p = p.Clean()
	if len(p) > MaxPathBytes {
		return fmt.Errorf("broadcast path has %d bytes, the most is %d", len(p), MaxPathBytes)
	}
	if n := strings.Count(string(p), "/") + 1; n > MaxPathSegments {
		return fmt.Errorf("broadcast path has %d segments, the most is %d", n, MaxPathSegments)
	}
	if !utf8.ValidString(string(p)) {
		return errors.New("broadcast path is not UTF-8")
	}
	return nil
}

// checkLiteral returns an error that names the first segment of path with an
// asterisk. In a pattern it would stand for other segments too.
func checkLiteral(path BroadcastPath) error {
	for segment := range strings.SplitSeq(string(path), "/") {
		if strings.Contains(segment, "*") {
			return fmt.Errorf("broadcast path has the segment %q: leave out the *, which stands for other segments in grants", segment)
		}
	}
	return nil
}

// HasPrefix reports whether p is prefix or lies below it, by whole segments:
// "a/b" has the prefixes "", "a" and "a/b", not "a/". Both must be clean.
func (p BroadcastPath) HasPrefix(prefix BroadcastPath) bool {
	rest, ok := strings.CutPrefix(string(p), string(prefix))
	return ok && (prefix == "" || rest == "" || rest[0] == '/')
}

// Rel returns the part of p below prefix. p must have that prefix.
func (p BroadcastPath) Rel(prefix BroadcastPath) BroadcastPath {
	rest := strings.TrimPrefix(string(p), string(prefix))
	return BroadcastPath(strings.TrimPrefix(rest, "/"))
}

// Join returns the path of rest below p.
func (p BroadcastPath) Join(rest BroadcastPath) BroadcastPath {
	switch {
	case p == "":
		return rest
	case rest == "":
		return p
	default:
		return p + "/" + rest
	}
}

// parent returns the path one segment above p; false for the root, which has
// none.
func (p BroadcastPath) parent() (BroadcastPath, bool) {
	return p[:max(strings.LastIndexByte(string(p), '/'), 0)], p != ""
}

// A TrackName names a track within its broadcast. Any UTF-8 text is valid, the
// empty one included; nothing is normalised. A name and its path together must
// fit into 63 KiB. It is the Track Name of moq-lite-06, "SUBSCRIBE", "FETCH"
// and "TRACK".
type TrackName string

// Validate reports why n cannot be sent: more than [MaxPathBytes] bytes, or
// text that is not UTF-8.
func (n TrackName) Validate() error {
	if len(n) > MaxPathBytes {
		return fmt.Errorf("track name has %d bytes, the most is %d", len(n), MaxPathBytes)
	}
	if !utf8.ValidString(string(n)) {
		return errors.New("track name is not UTF-8")
	}
	return nil
}
