package wsconn

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// ServeHTTP makes a connection of a WebSocket request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case isWebSocket(r):
		if status := s.request(w, r); status != 0 {
			http.Error(w, http.StatusText(status), status)
		}
	case s.Handler != nil:
		s.Handler.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func isWebSocket(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Upgrade"), func(v string) bool { return strings.EqualFold(v, "websocket") })
}

// request makes a connection of a request, or tells the status to refuse it
// with.
func (s *Server) request(w http.ResponseWriter, r *http.Request) (status int) {
	if !s.allows(r.Header.Get("Origin")) {
		return http.StatusForbidden
	}
	version, protocol, ok := s.choose(r.Header.Values("Sec-WebSocket-Protocol"))
	if !ok {
		return http.StatusBadRequest
	}
	if !s.enter() {
		return http.StatusServiceUnavailable
	}
	state := stateOf(r, protocol)
	serve, err := s.admit(r.Context(), state)
	if err != nil {
		s.wg.Done()
		return refusal(err)
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{version.Subprotocol(protocol)},
		InsecureSkipVerify: true, // done before
	})
	if err != nil {
		s.wg.Done()
		return 0 // it is answered
	}
	c := qmux.New(newWSCarrier(ws, h.raw), qmux.Options{Version: version, Config: s.Config, State: state})
	go func() {
		defer s.wg.Done()
		s.begin(c, serve)
	}()
	return 0
}

// begin has c served once the client says what it grants.
func (s *Server) begin(c *qmux.Conn, serve func(transport.Conn)) {
	if !s.add(c) {
		_ = c.CloseWithError(0, "")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	err := c.Ready(ctx)
	cancel()
	if err == nil {
		s.serve(c.Transport(), serve)
	}
}

// stateOf is what a request tells of its connection.
func stateOf(r *http.Request, protocol string) transport.State {
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return transport.State{
		Protocol:   protocol,
		Transport:  websocketName,
		Local:      local,
		Remote:     remoteOf(r),
		TLS:        r.TLS,
		URL:        &url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		CarriesURL: true,
	}
}

func remoteOf(r *http.Request) net.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}

// admit asks Accept, whose panic is an error.
func (s *Server) admit(ctx context.Context, state transport.State) (serve func(transport.Conn), err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log("panic in Accept", p)
			serve, err = nil, errors.New("panic")
		}
	}()
	serve, err = s.Accept(ctx, state)
	if err == nil && serve == nil {
		err = errors.New("nobody serves the connection")
	}
	return serve, err
}

// refusal is the status of an error of Accept.
func refusal(err error) int {
	switch {
	case errors.Is(err, transport.ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(err, transport.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// allows says that pages of an origin may connect.
func (s *Server) allows(origin string) bool {
	return origin == "" || s.Origins == nil || slices.ContainsFunc(s.Origins, func(o string) bool {
		return strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	})
}

// choose picks the version most wanted of those offered, and then the draft.
func (s *Server) choose(headers []string) (version qmux.Version, protocol string, ok bool) {
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

// A hijacker is a response that keeps the connection that is taken of it.
type hijacker struct {
	http.ResponseWriter
	raw net.Conn
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.raw = raw
	return raw, rw, err
}
