// Package requestheader makes the HTTP header of a dial's request from what
// the user adds to it.
package requestheader

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/moqlite/moqlite/transport"
)

// New returns a new header with what a dialer adds to each request and what
// the dial's options add to this one, which replaces fields of the same name.
// For a URL of [transport.DialOptions].OtherOrigin it is empty. The error is a
// [*transport.DialError] of phase resolve, and repeats no value.
func New(each http.Header, o transport.DialOptions) (http.Header, error) {
	header := make(http.Header)
	if o.OtherOrigin {
		return header, nil
	}
	for _, from := range []http.Header{each, o.Header} {
		for name, values := range from {
			if err := check(name, values); err != nil {
				return nil, &transport.DialError{Phase: transport.PhaseResolve, Err: err}
			}
			header[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
		}
	}
	return header, nil
}

// owned are the fields that the request's protocol sets, in canonical form.
var owned = map[string]bool{
	"Host": true, "Connection": true, "Upgrade": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Content-Length": true, "Capsule-Protocol": true,
}

// ownedPrefixes begin the names of fields that WebSocket and WebTransport set.
var ownedPrefixes = []string{"Sec-Websocket-", "Sec-Webtransport-", "Wt-"}

// check returns an error that names a field which cannot be sent.
func check(name string, values []string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
		return fmt.Errorf("header: %q is no name of a field", name)
	}
	canonical := http.CanonicalHeaderKey(name)
	isOwned := owned[canonical]
	for _, prefix := range ownedPrefixes {
		isOwned = isOwned || strings.HasPrefix(canonical, prefix)
	}
	if isOwned {
		return fmt.Errorf("header: remove %s, which the request sets by itself", canonical)
	}
	for _, v := range values {
		if strings.ContainsFunc(v, isControl) {
			return fmt.Errorf("header: the value of %s has a control character", canonical)
		}
	}
	return nil
}

// isToken reports whether r may be in the name of a field (RFC 9110, section
// 5.6.2).
func isToken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// isControl reports whether r may not be in a value. A tab may.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
