// Package httpstatus says in words how a server has answered a request.
package httpstatus

import (
	"fmt"
	"net/http"
)

// Describe tells the status, and where a redirect leads, without what may be
// secret of that. Dialers do not follow one: it may lead anywhere.
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
