package auth

import "net/http"

// Through makes requests go to a handler in memory. It returns r.
func (r *Remote) Through(t http.RoundTripper) *Remote {
	r.place = &place{name: r.URL, url: r.URL, client: &http.Client{Transport: t}}
	return r
}

// Through makes requests for the keys of a URL go to a handler in memory. It
// returns s.
func (s *Source) Through(t http.RoundTripper) *Source {
	l := s.origin.(*location)
	l.place = &place{name: l.url, url: l.url, client: &http.Client{Transport: t}}
	return s
}
