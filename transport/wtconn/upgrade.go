package wtconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/httpstatus"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// HTTP/3 settings with which the drafts of WebTransport announce support for
// it.
const (
	settingDraft02     = 0x2b603742
	settingDraft07     = 0xc671706a // the value is the maximum number of sessions
	settingEnabled     = 0x2c7cf000
	settingMaxSessions = 0x14e9cd29
)

const (
	// The values of :protocol in the older drafts and in the newest.
	tokenOld = "webtransport"
	tokenNew = "webtransport-h3"

	// maxHeaderBytes bounds the header of a request or response.
	maxHeaderBytes = 16 << 10

	// upgradeTimeout bounds the request if ctx has no earlier deadline.
	upgradeTimeout = 30 * time.Second
)

// errNoAnswer is the cause with which upgradeTimeout ends a request, so that
// the error does not blame the caller's deadline.
var errNoAnswer = errors.New("the server does not answer the request")

// clientSettings announces support for all drafts. It does not enable flow
// control per session, because a connection has one session.
func clientSettings() map[uint64]uint64 {
	return map[uint64]uint64{settingDraft02: 1, settingDraft07: 1, settingEnabled: 1, settingMaxSessions: 1}
}

// upgrade requests a session on q. If it fails, it closes q.
func upgrade(ctx context.Context, q *quic.Conn, u *url.URL, header http.Header, protocols []string) (*clientConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, upgradeTimeout, errNoAnswer)
	defer cancel()
	c := newClientConn(q)
	response, err := c.sendRequest(ctx, u, header)
	if err != nil {
		c.abandon()
		return nil, c.upgradeError(ctx, err)
	}
	if err := statusError(response); err != nil {
		c.abandon()
		return nil, err
	}
	p, err := parseAnswer(response.Header, protocols)
	if err != nil {
		c.abandon()
		return nil, dialError(transport.PhaseNegotiate, err)
	}
	c.establish(transport.State{Protocol: p})
	return c, nil
}

// sendRequest waits for the server's settings, sends the request in the form
// that they call for, and returns the response.
func (c *clientConn) sendRequest(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	select {
	case <-c.http.ReceivedSettings():
	case <-c.quic.Context().Done():
		return nil, context.Cause(c.quic.Context())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	token, err := chooseToken(c.http.Settings())
	if err != nil {
		return nil, err
	}
	c.request, err = c.http.OpenRequestStream(ctx)
	if err != nil {
		return nil, err
	}
	c.sessionID = c.request.StreamID()
	c.setSession(c.sessionID)
	close(c.session)

	// ReadResponse takes no context: resetting the stream ends it.
	stop := context.AfterFunc(ctx, func() {
		c.request.CancelRead(codeCancelled)
		c.request.CancelWrite(codeCancelled)
	})
	request := &http.Request{Method: http.MethodConnect, Proto: token, URL: u, Host: u.Host, Header: header}
	if err := c.request.SendRequestHeader(request.WithContext(ctx)); err != nil {
		return nil, err
	}
	response, err := c.request.ReadResponse()
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	return response, err
}

// chooseToken returns the value of :protocol that the server expects.
func chooseToken(s *http3.Settings) (string, error) {
	old := s.Other[settingDraft02] != 0 || s.Other[settingDraft07] != 0
	switch {
	case !s.EnableExtendedConnect:
		return "", errors.New("the server does not accept WebTransport requests: it has no extended CONNECT")
	case old:
		return tokenOld, nil
	case s.Other[settingEnabled] != 0:
		return tokenNew, nil
	case s.Other[settingMaxSessions] != 0:
		return tokenOld, nil
	}
	return "", errors.New("the server speaks HTTP/3 but not WebTransport")
}

// upgradeError makes the error of a request that got no response.
func (c *clientConn) upgradeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return dialError(transport.PhaseUpgrade, context.Cause(ctx))
	}
	if app, ok := errors.AsType[*quic.ApplicationError](context.Cause(c.quic.Context())); ok && app.Remote {
		return dialError(transport.PhaseUpgrade, fmt.Errorf("the server closed the connection instead of answering: %w", app))
	}
	if marked := quicstream.MarkAlert(err); errors.Is(marked, transport.ErrUnauthorized) {
		return dialError(transport.PhaseTLS, marked)
	}
	return dialError(transport.PhaseUpgrade, err)
}

// statusError makes the error for the status of a response; nil for success.
// Status 400 is how servers refuse a request that offers no version they know.
func statusError(response *http.Response) error {
	status := response.StatusCode
	text := "the server answered with " + httpstatus.Describe(response)
	phase, err := transport.PhaseUpgrade, errors.New(text)
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusBadRequest:
		phase, err = transport.PhaseNegotiate, fmt.Errorf("%w, it seems: %s", transport.ErrNoCommonProtocol, text)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		err = fmt.Errorf("%w: %s", transport.ErrUnauthorized, text)
	case status == http.StatusNotFound:
		err = fmt.Errorf("%w: %s", transport.ErrNotFound, text)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable:
		err = fmt.Errorf("%w: %s", transport.ErrUnavailable, text)
	}
	return dialError(phase, err)
}
