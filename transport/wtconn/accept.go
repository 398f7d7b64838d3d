package wtconn

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/admission"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// serveHTTP handles every HTTP/3 request.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	v, ok := r.Context().Value(h3ConnKey{}).(*h3Conn)
	switch isSession := r.Proto == tokenOld || r.Proto == tokenNew; {
	case !ok:
		w.WriteHeader(http.StatusInternalServerError)
	case r.Method == http.MethodConnect && isSession:
		status, err := s.acceptRequest(v, w, r)
		if err != nil && s.Refused != nil {
			s.Refused(quicconn.RemoteAddr(v.quic), err)
		}
		if status != 0 {
			w.WriteHeader(status)
		}
	case r.Method == http.MethodConnect:
		w.WriteHeader(http.StatusBadRequest)
	case s.Handler != nil:
		s.serveRequest(v, w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// acceptRequest turns a WebTransport request into a session, or returns the status
// with which to refuse it. The error is why, unless Accept has refused it.
func (s *Server) acceptRequest(v *h3Conn, w http.ResponseWriter, r *http.Request) (status int, refused error) {
	if origin := r.Header.Get("Origin"); !admission.Allows(s.Origins, origin) {
		return http.StatusForbidden, admission.OriginError(origin)
	}
	protocol := s.chooseProtocol(parseOffer(r.Header))
	offer, err := formatOffer([]string{protocol})
	if protocol == "" || err != nil {
		return http.StatusBadRequest, transport.ErrNoCommonProtocol
	}
	if !v.session.CompareAndSwap(false, true) {
		return http.StatusTooManyRequests, errSecondSession
	}
	tls := v.quic.ConnectionState().TLS
	state := transport.State{
		Protocol:   protocol,
		Transport:  transportName,
		Local:      v.quic.LocalAddr(),
		Remote:     quicconn.RemoteAddr(v.quic),
		TLS:        &tls,
		URL:        &url.URL{Scheme: requestScheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		CarriesURL: true,
		Header:     r.Header.Clone(),
	}
	serve, err := admission.Ask(r.Context(), s.Accept, state, func(p any) { s.log("panic in Accept", p) })
	if err != nil {
		v.allowRetry()
		return admission.Refusal(err), nil
	}
	state.Header = nil
	// webtransport-go chooses the first of the client's offers that it knows,
	// so it is shown the chosen version alone.
	r.Header.Set(offerHeader, offer)
	h, err := newHijacker(w)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	session, err := s.webtransport.Upgrade(h, r)
	switch {
	case err != nil && h.request != nil:
		return 0, err
	case err != nil:
		return http.StatusBadRequest, err
	}
	s.spawnServe(newServerConn(v.quic, session, h.request, state), serve)
	return 0, nil
}

// errSecondSession is why a request is refused over a connection that has a session.
var errSecondSession = errors.New("the connection has a session already")

// chooseProtocol returns the offered version that the server prefers, or "".
func (s *Server) chooseProtocol(offered []string) string {
	for _, p := range s.Protocols {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// A hijacker is the ResponseWriter of a request that becomes a session. It
// records the stream of the request.
type hijacker struct {
	http.ResponseWriter
	http3.HTTPStreamer
	http3.Settingser
	http.Flusher
	request *http3.Stream
}

// HTTPStream implements [http3.HTTPStreamer].
func (h *hijacker) HTTPStream() *http3.Stream {
	h.request = h.HTTPStreamer.HTTPStream()
	return h.request
}

// newHijacker wraps the ResponseWriter of HTTP/3. It fails for any other, which
// has no stream to take over.
func newHijacker(w http.ResponseWriter) (*hijacker, error) {
	streamer, ok1 := w.(http3.HTTPStreamer)
	settings, ok2 := w.(http3.Settingser)
	flusher, ok3 := w.(http.Flusher)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("%T is not an HTTP/3 response", w)
	}
	return &hijacker{ResponseWriter: w, HTTPStreamer: streamer, Settingser: settings, Flusher: flusher}, nil
}
