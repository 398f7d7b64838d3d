package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// A place is a server that is asked over HTTP, and that may be told secrets: by
// https, or on this machine.
type place struct {
	name   string // the URL, without user and query
	url    string
	client *http.Client
}

// maxConnections bounds the connections to a place.
const maxConnections = 64

// parsePlace reads the URL of a place; unix:///path is a socket, where that is
// allowed.
// Only the URL's text is looked at: nothing is resolved or connected to.
func parsePlace(rawURL string, sockets bool) (*place, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the URL of a server to ask is none") // err has it, and what may be secret in it
	}
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		MaxConnsPerHost: maxConnections, MaxIdleConnsPerHost: maxConnections, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
	p := &place{
		name: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), url: rawURL,
		client: &http.Client{
			Transport: transport,
			// A redirect could lead secrets to a server that nobody has named.
			// Its status is then an answer like any other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	switch {
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && loopback(u.Hostname()):
		return p, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s: http:// would show secrets to the network: use https://, or a loopback address", p.name)
	case u.Scheme == "unix" && sockets && u.Path != "":
		p.url, transport.Proxy = "http://localhost/", nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", u.Path)
		}
		return p, nil
	case !sockets:
		return nil, fmt.Errorf("%s: the URL of keys is https://, or http:// at a loopback address", p.name)
	default:
		return nil, fmt.Errorf("%s: the URL of a server to ask is https://, http:// at a loopback address, or unix:///path", p.name)
	}
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// use makes connections to the place by a TLS configuration.
// It is called before the first request.
func (p *place) use(c *tls.Config) {
	if c != nil {
		p.client.Transport.(*http.Transport).TLSClientConfig = c.Clone()
	}
}

// do sends a request, with JSON unless that is nil, and returns the answer, of
// which limit bytes are too much. No error contains the query of the place's
// URL.
func (p *place) do(ctx context.Context, method string, body []byte, limit int64) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(request)
	if err != nil {
		// net/http puts the whole URL into its errors.
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return 0, nil, fmt.Errorf("%s: %w", p.name, err)
	}
	defer response.Body.Close()
	answer, err = readAll(response.Body, limit)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: the answer: %w", p.name, err)
	}
	return response.StatusCode, answer, nil
}
