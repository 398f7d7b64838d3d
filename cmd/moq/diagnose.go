package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// A diagnosis is the error of a dial, together with what else was found out
// and what to try.
type diagnosis struct {
	err error
	// What was found out, one item a line; never nil, so that JSON has a list.
	found []string
	try   string
}

// Error returns the error of the dial. What was found is printed after it, one
// item a line.
func (d *diagnosis) Error() string { return d.err.Error() }

// Unwrap returns the error of the dial.
func (d *diagnosis) Unwrap() error { return d.err }

// lines returns what d has beside the error, one item per line.
func (d *diagnosis) lines() string {
	var b strings.Builder
	if failed, ok := errors.AsType[*api.DialError](d.err); ok {
		fmt.Fprintf(&b, "\nphase: %s", failed.Phase)
	}
	for _, found := range d.found {
		fmt.Fprintf(&b, "\nfound: %s", found)
	}
	if d.try != "" {
		fmt.Fprintf(&b, "\ntry:   %s", d.try)
	}
	return b.String()
}

// newDiagnosis investigates a failed dial until ctx ends.
func newDiagnosis(ctx context.Context, o *options, rawURL string, err error) *diagnosis {
	d := &diagnosis{err: err, found: []string{}, try: hint(err)}
	t, parseErr := transport.ParseURL(rawURL)
	failed, ok := errors.AsType[*api.DialError](err)
	if parseErr != nil || !ok || errors.Is(err, api.ErrUnauthorized) {
		return d
	}
	switch {
	case isA[*quicconn.PathError](err): // nothing to add
	case failed.Phase == api.PhaseConnect:
		d.askTCP(ctx, t)
	case failed.Phase == api.PhaseTLS:
		d.askFingerprint(ctx, t)
	case failed.Phase == api.PhaseUpgrade, failed.Phase == api.PhaseNegotiate:
		d.askVersions(ctx, o, t)
	}
	return d
}

// askTCP finds out whether the host is reachable by connecting to the TCP port
// with the same number.
func (d *diagnosis) askTCP(ctx context.Context, t *transport.Target) {
	host := t.Addr()
	err := tryTCP(ctx, host)
	fingerprint := ""
	if err == nil {
		fingerprint, _ = askFingerprint(ctx, host)
	}
	// Silence over UDP has many causes; what TCP does at the same port tells
	// some of them apart.
	silent, open := timedOut(d.err), err == nil
	switch {
	case unreachable(d.err) || unreachable(err):
	case fingerprint != "" && silent:
		d.found = append(d.found, fmt.Sprintf("a MoQ server answers over TCP at %s, but not over UDP", host))
		d.try = "UDP is blocked: use wss:// (or https://, which tries both), or allow UDP in the firewalls"
	case open && silent:
		d.found = append(d.found, fmt.Sprintf("%s accepts TCP connections, but nothing answers over UDP", host))
		d.try = "is this a MoQ (or HTTP/3) server? If so, UDP is blocked"
	case open:
		d.found = append(d.found, fmt.Sprintf("%s accepts TCP connections, but nothing listens on the UDP port", host))
		d.try = "is this a MoQ (or HTTP/3) server, and its QUIC port?"
	case silent && errors.Is(err, syscall.ECONNREFUSED):
		d.found = append(d.found, fmt.Sprintf("%s refuses TCP connections: the host is up", host))
		d.try = "is the server up, and is this its port? If so, UDP is blocked"
	case silent:
		d.found = append(d.found, fmt.Sprintf("%s does not answer over TCP either", host))
		d.try = "is the host up, and is its address correct? A firewall may drop all packets to it"
	}
}

// askFingerprint asks a development server for the fingerprint of its
// certificate.
func (d *diagnosis) askFingerprint(ctx context.Context, t *transport.Target) {
	if fingerprint, err := askFingerprint(ctx, t.Addr()); err == nil {
		d.found = append(d.found, "the server claims that the fingerprint of its certificate is "+fingerprint)
	}
}

// askVersions dials with each version alone, over the transport of the URL and
// over the other QUIC transport.
func (d *diagnosis) askVersions(ctx context.Context, o *options, t *transport.Target) {
	other := t.WithScheme("https")
	if t.Scheme.Transport != transport.QUIC {
		other = t.WithScheme("moqt")
	}
	if here := o.versionsSpoken(ctx, t.URL); len(here) > 0 {
		d.found = append(d.found, fmt.Sprintf("over this transport the server speaks %s", strings.Join(here, ", ")))
		d.try = "remove --version-only, or use one of these versions"
	}
	if there := o.versionsSpoken(ctx, other.URL); len(there) > 0 {
		d.found = append(d.found, fmt.Sprintf("over %s:// the server speaks %s", other.Scheme.Name, strings.Join(there, ", ")))
		if len(d.found) == 1 {
			d.try = fmt.Sprintf("use %s:// in the URL, with one of these versions", other.Scheme.Name)
		}
	}
	if len(d.found) == 0 {
		d.found = append(d.found, fmt.Sprintf("the server completes no handshake with any of %v, neither here nor over %s://", api.Versions(), other.Scheme.Name))
		d.try = "is this a MoQ server, and does it speak moq-lite-03 or later?"
	}
}

// versionsSpoken returns the versions with which a dial to the server succeeds
// before ctx ends.
func (o *options) versionsSpoken(ctx context.Context, u *url.URL) (names []string) {
	spoken := make([]bool, len(api.Versions()))
	var dialling sync.WaitGroup
	for i, v := range api.Versions() {
		dialling.Go(func() {
			client, err := o.client()
			if err != nil {
				return
			}
			defer client.Close()
			// A server that does not speak the version may answer nothing at
			// all, so all are tried at once, within the same time.
			client.Config.Versions = []api.Version{v}
			_, err = client.Dial(ctx, u.String(), api.NewTrackMux())
			// A server that refuses the credentials has understood the version.
			spoken[i] = err == nil || errors.Is(err, api.ErrUnauthorized)
		})
	}
	dialling.Wait()
	for i, v := range api.Versions() {
		if spoken[i] {
			names = append(names, string(v))
		}
	}
	return names
}

// tryTCP connects over TCP and closes the connection.
func tryTCP(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", host)
	if err == nil {
		c.Close()
	}
	return err
}

// askFingerprint asks a development server for its fingerprint. It returns an
// empty one if the response is something else.
func askFingerprint(ctx context.Context, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/certificate.sha256", nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		// A redirect leads away from the server whose certificate is in
		// question.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	// Anything may answer at this port.
	body, err := io.ReadAll(io.LimitReader(response.Body, 256))
	if err != nil {
		return "", err
	}
	if _, err := tlspin.Parse(string(body)); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(body)), nil
}

// timedOut tells whether err is a timeout.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// unreachable tells whether this machine has no route to the address: then
// nothing is learned by trying other ports and protocols.
func unreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}
