package wsconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/admission"
	"github.com/moqlite/moqlite/transport/internal/qmux"
	"github.com/moqlite/moqlite/transport/internal/serving"
)

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case IsUpgrade(r):
		status, err := s.upgrade(w, r)
		if err != nil && s.Refused != nil {
			s.Refused(proxies(s.TrustedProxies).client(r), err)
		}
		if status != 0 {
			http.Error(w, http.StatusText(status), status)
		}
	case s.Handler != nil:
		s.Handler.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// IsUpgrade tells whether r asks to switch to WebSocket. A [Server] checks the rest
// of the handshake, and answers requests that break its rules.
func IsUpgrade(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Upgrade"), func(v string) bool { return strings.EqualFold(v, "websocket") })
}

// upgrade turns a WebSocket request into a connection, or returns the status
// with which to refuse it. The error is why, unless Accept has refused it.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) (status int, refused error) {
	if origin := r.Header.Get("Origin"); !admission.Allows(s.Origins, origin) {
		return http.StatusForbidden, admission.OriginError(origin)
	}
	version, protocol, ok := s.chooseVersion(r.Header.Values("Sec-WebSocket-Protocol"))
	if !ok {
		return http.StatusBadRequest, transport.ErrNoCommonProtocol
	}
	if !s.conns.Begin() {
		return http.StatusServiceUnavailable, errServerClosed
	}
	state := s.stateOf(r, protocol)
	ctx, end := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), end)
	serve, err := admission.Ask(ctx, s.Accept, state, func(p any) { s.log("panic in Accept", p) })
	if !stop() && err == nil { // then Accept's context has ended, and serve is not called
		err = fmt.Errorf("%w: the request has ended", transport.ErrUnavailable)
	}
	if err != nil {
		end()
		s.conns.Done()
		return admission.Refusal(err), nil
	}
	state.Header = nil
	// Only the chosen version is named, since the library would choose by the
	// client's order.
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{version.Subprotocol(protocol)},
		InsecureSkipVerify: true, // request has checked the origin
	})
	if err != nil {
		end()
		s.conns.Done()
		return 0, err // websocket.Accept has answered
	}
	c := qmux.New(newWSCarrier(ws, h.raw), qmux.Options{Version: version, Config: s.Config, State: state})
	go func() {
		defer s.conns.Done()
		defer end()
		s.startQmux(c, serve)
	}()
	return 0, nil
}

var errServerClosed = errors.New("the server is closed")

// startQmux waits for the client's transport parameters and then serves c.
func (s *Server) startQmux(c *qmux.Conn, serve func(transport.Conn)) {
	if !s.conns.Add(c) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	err := c.Ready(ctx)
	cancel()
	if err == nil {
		serving.Serve(c.Transport(), serve, func(p any) { s.log("panic in serve", p) })
	}
}

// stateOf returns the State of the connection that a request asks for.
func (s *Server) stateOf(r *http.Request, protocol string) transport.State {
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return transport.State{
		Protocol:   protocol,
		Transport:  websocketName,
		Local:      local,
		Remote:     proxies(s.TrustedProxies).client(r),
		TLS:        r.TLS,
		URL:        &url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		CarriesURL: true,
		Header:     r.Header,
	}
}

// chooseVersion returns the offered moq-lite version that the server prefers,
// and the Qmux draft to use with it.
func (s *Server) chooseVersion(headers []string) (version qmux.Version, protocol string, ok bool) {
	var offered []string
	for _, h := range headers {
		for name := range strings.SplitSeq(h, ",") {
			offered = append(offered, strings.TrimSpace(name))
		}
	}
	for _, name := range offers(s.Protocols, drafts) {
		if slices.Contains(offered, name) {
			return qmux.ParseSubprotocol(name)
		}
	}
	return 0, "", false
}

// A hijacker is a ResponseWriter that records the connection that is hijacked.
type hijacker struct {
	http.ResponseWriter
	raw net.Conn
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.raw = raw
	return eofGuard{raw}, rw, err
}
