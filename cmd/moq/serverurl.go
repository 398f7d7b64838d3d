package main

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// checkURL refuses a URL that no transport can dial, before anything is tried.
// A URL without a scheme is answered with the likely one.
func checkURL(raw string) error {
	if !strings.Contains(raw, "://") {
		if likely := likelyURL(raw); likely != "" {
			return usage("the URL has no scheme: did you mean %s?", likely)
		}
		return usage("this is no URL: it begins with https://, moqt://, wss:// or, for a development server, http://")
	}
	t, err := transport.ParseURL(raw)
	if err != nil {
		failed, _ := errors.AsType[*transport.DialError](err)
		if failed != nil {
			err = failed.Err
		}
		return usageError{err}
	}
	if t.Scheme.Transport == "" {
		return usage("unknown URL scheme %q: %s", t.Scheme.Name, hint(api.ErrUnsupportedScheme))
	}
	return nil
}

// checkPath refuses a path that no broadcast can have.
func checkPath(path api.BroadcastPath) error {
	if err := path.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// likelyURL returns the URL that was meant by one without a scheme, "" if that
// names no host. It has no query, since that may hold a token.
func likelyURL(raw string) string {
	u, err := url.Parse("https://" + strings.TrimPrefix(raw, "//"))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	// A server on this machine or in its network is likely one for development.
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && (ip.IsLoopback() || ip.IsPrivate()) {
		u.Scheme = "http"
	}
	return transport.RedactURL(u.String())
}
