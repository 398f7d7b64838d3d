// Package httpstatus describes the HTTP response of a server in an error.
package httpstatus

import (
	"fmt"
	"net/http"
)

// Describe returns the status and, for a redirect, the location without parts
// that may be secret. Dialers do not follow redirects, which may lead
// anywhere.
func Describe(r *http.Response) string {
	text := fmt.Sprintf("HTTP status %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	to, err := r.Location()
	if r.StatusCode < 300 || r.StatusCode > 399 || err != nil {
		return text
	}
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	if to.RawQuery != "" {
		to.RawQuery = "…"
	}
	return fmt.Sprintf("%s, a redirect to %v, which is not followed", text, to)
}
