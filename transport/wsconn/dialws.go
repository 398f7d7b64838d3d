package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"

	"github.com/coder/websocket"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/httpstatus"
	"github.com/moqlite/moqlite/transport/internal/qmux"
	"github.com/moqlite/moqlite/transport/internal/requestheader"
	"github.com/moqlite/moqlite/transport/internal/tlsalert"
)

// An attempt records the phase and the TCP connection of a WebSocket request.
//
// The phase says what to tell of a failure, which the HTTP client does not; the
// connection is for its addresses, and to be closed without the closing
// handshake.
type attempt struct {
	mu    sync.Mutex
	phase transport.Phase
	raw   net.Conn
}

// reach records that the request has come to a phase. An HTTP client may call
// it from several goroutines, as it tries several addresses.
func (a *attempt) reach(phase transport.Phase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase = phase
}

// result returns the last phase, and the connection, nil if there was none.
func (a *attempt) result() (phase transport.Phase, raw net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.phase, a.raw
}

// trace returns a context with which an HTTP client reports its phase to a.
func (a *attempt) trace(ctx context.Context) context.Context {
	a.phase = transport.PhaseResolve
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart:      func(string, string) { a.reach(transport.PhaseConnect) },
		TLSHandshakeStart: func() { a.reach(transport.PhaseTLS) },
		GotConn:           func(httptrace.GotConnInfo) { a.reach(transport.PhaseUpgrade) },
	})
}

// client returns an HTTP client for a single request.
func (d *Dialer) client(a *attempt, u *url.URL) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: eofGuardTransport{&http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// The connection becomes the session's.
			DisableKeepAlives: true,
			TLSClientConfig:   d.tlsConfig(u.Hostname(), nil),
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				raw, err := d.connect(ctx, network, address)
				if err == nil {
					a.mu.Lock()
					a.raw = raw
					a.mu.Unlock()
				}
				return raw, err
			},
		}},
	}
}

// dialWebSocket sends the WebSocket request and starts Qmux.
func (d *Dialer) dialWebSocket(ctx context.Context, t *transport.Target, protocols []string) (*qmux.Conn, error) {
	header, err := requestheader.New(d.Header, t.Options)
	if err != nil {
		return nil, err
	}
	// Userinfo and fragment are not for the server.
	request := *t.URL
	request.User, request.Fragment, request.RawFragment = nil, "", ""
	a := new(attempt)
	ws, response, err := websocket.Dial(a.trace(ctx), request.String(), &websocket.DialOptions{
		HTTPClient:   d.client(a, t.URL),
		HTTPHeader:   header,
		Subprotocols: offers(protocols, drafts),
	})
	phase, raw := a.result()
	if err != nil {
		return nil, upgradeError(phase, response, err)
	}
	version, protocol, ok := qmux.ParseSubprotocol(ws.Subprotocol())
	if !ok {
		_ = ws.CloseNow()
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: the server chose none", transport.ErrNoCommonProtocol))
	}
	return qmux.New(newWSCarrier(ws, raw), qmux.Options{
		Version: version,
		Client:  true,
		Config:  d.Config,
		State: transport.State{
			Protocol:   protocol,
			Transport:  websocketName,
			Local:      raw.LocalAddr(),
			Remote:     raw.RemoteAddr(),
			TLS:        response.TLS,
			URL:        t.URL,
			CarriesURL: true,
		},
	}), nil
}

// upgradeError makes the error of a WebSocket request that failed in a phase.
func upgradeError(phase transport.Phase, response *http.Response, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if response == nil {
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			phase = transport.PhaseTLS
		}
		if _, ok := tlsalert.OverTCP(err); ok {
			phase = transport.PhaseTLS
		}
		return dialError(phase, tlsalert.MarkOverTCP(err))
	}
	status := httpstatus.Describe(response)
	switch response.StatusCode {
	case http.StatusBadRequest:
		return dialError(transport.PhaseNegotiate, fmt.Errorf("%w (%s)", transport.ErrNoCommonProtocol, status))
	case http.StatusUnauthorized, http.StatusForbidden:
		return dialError(transport.PhaseUpgrade, fmt.Errorf("%w (%s)", transport.ErrUnauthorized, status))
	case http.StatusNotFound:
		return dialError(transport.PhaseUpgrade, fmt.Errorf("%w (%s)", transport.ErrNotFound, status))
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return dialError(transport.PhaseUpgrade, fmt.Errorf("%w (%s)", transport.ErrUnavailable, status))
	case http.StatusSwitchingProtocols:
		return dialError(transport.PhaseNegotiate, fmt.Errorf("%w: %w", transport.ErrNoCommonProtocol, err))
	}
	return dialError(transport.PhaseUpgrade, errors.New(status))
}
