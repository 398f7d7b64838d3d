package message

import "strings"

// CleanPath returns p in the form in which paths are sent and compared: without slashes
// at its ends, and with single slashes between segments. Nothing else is changed: case
// is significant, and "." and ".." are names. The empty path is the root.
func CleanPath(p string) string {
	if isClean(p) {
		return p
	}
	return string(appendClean(make([]byte, 0, len(p)), p))
}

func isClean(p string) bool {
	return p == "" || p[0] != '/' && p[len(p)-1] != '/' && !strings.Contains(p, "//")
}

// appendClean appends CleanPath(p).
func appendClean(b []byte, p string) []byte {
	if isClean(p) {
		return append(b, p...)
	}
	start := len(b)
	for i := range len(p) {
		slash := p[i] == '/'
		if slash && (len(b) == start || b[len(b)-1] == '/') {
			continue
		}
		b = append(b, p[i])
	}
	if len(b) > start && b[len(b)-1] == '/' {
		b = b[:len(b)-1]
	}
	return b
}

// measurePath returns the length of CleanPath(p), and how many segments it has.
func measurePath(p string) (length, segments int) {
	for i := range len(p) {
		if p[i] == '/' {
			continue
		}
		length++
		if i == 0 || p[i-1] == '/' {
			segments++
		}
	}
	return length + max(segments-1, 0), segments
}
