package impl

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/wsconn"
)

// certificatePath is where the fingerprint of the certificate is.
const certificatePath = "/certificate.sha256"

// webSockets is made by the first request or by Listen.
type webSockets struct {
	once   sync.Once
	server *wsconn.Server
}

// webSockets returns what makes sessions of WebSocket requests.
func (s *Server) webSockets() *wsconn.Server {
	s.upgrades.once.Do(func() {
		s.upgrades.server = &wsconn.Server{
			Protocols: protocols(s.Config), Origins: s.Origins, Accept: s.acceptWebSocket, Refused: s.refused,
			Logger: s.Logger, TrustedProxies: s.TrustedProxies,
		}
	})
	return s.upgrades.server
}

// ServeHTTP makes a session of a WebSocket request that another HTTP server has
// received, under any path and mux: a page at https://example.com/moq dials
// wss://example.com/moq. The path of the request is that of the session, so that
// [http.StripPrefix] takes a mount point off it. Admission, Origins,
// TrustedProxies and all else are as on the server's own port, and the server
// need not listen. ServeHTTP returns when the request is answered; the session
// goes on. WebSocket needs HTTP/1.1.
//
// Other requests are answered by HTTP, or with status 426 if that is nil; after
// Close WebSocket requests are answered with status 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case wsconn.IsUpgrade(r):
		if err := errors.Join(s.Config.Validate(), s.checkLimits()); err != nil {
			orDiscard(s.Logger).Error("no session: the server's fields are not valid", "error", err)
			http.Error(w, "the server is not set up", http.StatusInternalServerError)
			return
		}
		s.webSockets().ServeHTTP(w, r)
	case s.HTTP != nil:
		s.HTTP.ServeHTTP(w, r)
	default:
		if r.ProtoMajor == 1 { // later versions have no such fields
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		http.Error(w, "this is for WebSocket", http.StatusUpgradeRequired)
	}
}

// onPort returns the handler of the server's TCP port.
func (s *Server) onPort(site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wsconn.IsUpgrade(r) {
			s.webSockets().ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}

// site returns the handler of requests that are not for sessions, on the server's own
// ports.
func (s *Server) site(c *tls.Config) http.Handler {
	certificate := certificateHandler(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.HTTP == nil || r.URL.Path == certificatePath {
			certificate.ServeHTTP(w, r)
			return
		}
		s.HTTP.ServeHTTP(w, r)
	})
}

// certificateHandler responds with the fingerprint of the current certificate.
func certificateHandler(c *tls.Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+certificatePath, func(w http.ResponseWriter, r *http.Request) {
		cert, err := leafCertificate(c, r.Host)
		if err != nil {
			http.Error(w, "no certificate", http.StatusNotFound)
			return
		}
		sum := devcert.Fingerprint(*cert)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write([]byte(hex.EncodeToString(sum[:])))
	})
	return mux
}

// leafCertificate returns the certificate that a client of host gets.
func leafCertificate(c *tls.Config, host string) (*tls.Certificate, error) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if c.GetCertificate != nil {
		cert, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: host})
		if cert != nil || err != nil {
			return cert, err
		}
	}
	if len(c.Certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	return &c.Certificates[0], nil
}
