package auth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/moqlite/moqlite/api"
)

// Bearer returns a URL to dial with a token as the last part of its query, as
// jwt=…, which every transport carries. The rest of the URL is unchanged. It
// refuses a URL that has a token already, and a token that could not be read
// there. Tokens expire: a program that dials again later calls Bearer in a
// redial.Policy.Source, with a new token. No error repeats the token or the
// query.
func Bearer(rawURL, token string) (string, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return "", errors.New("bearer: the URL is malformed, or has no scheme or host")
	case api.QueryToken(u.RawQuery) != "":
		return "", fmt.Errorf("bearer: %s://%s has a token in its query already", u.Scheme, u.Host)
	case token == "":
		return "", errors.New("bearer: the token is empty")
	case strings.ContainsFunc(token, func(r rune) bool { return !inToken(r) }):
		// Nothing is unescaped in a query, so it could not be escaped.
		return "", errors.New("bearer: the token has a character, such as a space or a line end, that is in no token")
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "jwt=" + token
	return u.String(), nil
}

// inToken reports whether r may be in a token: base64url, and dots.
func inToken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}
