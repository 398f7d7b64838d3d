// Command site is an HTTPS site that is a clipboard: what its users post there, all
// of their own sessions get by MoQ, on the same port.
//
//	site -users users.json -cert site.pem # {"ann": "her password", …}
//	curl -u ann https://example.com                     # the URL of a session
//	moq sub "https://example.com/ann?jwt=…" clipboard text
//	curl -u ann https://example.com -d text=hello
package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/live"
)

// A site has users, and the key of the tokens that their sessions bring.
type site struct {
	server *impl.Server
	key    *auth.Key
	users  map[string]*user
}

// A user has a mux from which no other user's session is served.
type user struct {
	password  string
	mux       *api.TrackMux
	clipboard live.Broadcast
	text      *live.Track
}

// newSite returns a site with a new key: tokens last until a restart.
func newSite(server *impl.Server, passwords map[string]string) (*site, error) {
	key, err := auth.NewKey("HS256", "site")
	s := &site{server: server, key: key, users: make(map[string]*user)}
	server.HTTP, server.Admit = http.NewCrossOriginProtection().Handler(s), s.admit
	for name, password := range passwords {
		u := &user{password: password, mux: api.NewTrackMux()}
		u.text = u.clipboard.Track("text", api.TrackInfo{})
		err = errors.Join(err, u.mux.Publish(context.Background(), api.BroadcastPath(name+"/clipboard"), &u.clipboard))
		s.users[name] = u
	}
	return s, err
}

// admit admits a session with a token for the path of a user, to that user's mux.
func (s *site) admit(ctx context.Context, r api.AdmitRequest) (api.Grant, error) {
	grant, err := (&auth.Policy{Keys: auth.Set(s.key)}).Admit(ctx, r)
	if u := s.users[string(r.State.Root)]; u != nil {
		grant.Mux = u.mux
		return grant, err
	}
	return api.Grant{}, api.ErrUnauthorized
}

// ServeHTTP puts what a user posts into the clipboard, and answers with a session's URL.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth()
	u := s.users[name]
	if r.TLS == nil || u == nil || subtle.ConstantTimeCompare([]byte(password), []byte(u.password)) == 0 {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "who are you? (by https)", http.StatusUnauthorized)
		return
	}
	session, err := s.sessionURL(r.Host, name)
	if err == nil && r.Method == http.MethodPost {
		now := u.text.Info().Timestamp(time.Now())
		err = api.WriteGroup(r.Context(), u.text, api.Frame{Timestamp: now, Payload: []byte(r.FormValue("text"))})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, session)
}

// sessionURL returns the URL by which a user's session may come within an hour.
func (s *site) sessionURL(host, name string) (string, error) {
	claims := auth.Claims{Root: api.BroadcastPath(name), Subscribe: api.Patterns{"**"}, Expires: time.Now().Add(time.Hour)}
	token, err := s.key.Issue(claims)
	if err != nil {
		return "", err
	}
	return auth.Bearer("https://"+host+"/"+name, token)
}

// run serves pages and sessions until ctx is done, and then ends both in order.
func (s *site) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	for _, u := range s.users {
		_ = u.clipboard.Close() // its readers would wait for more
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.server.Shutdown(leave)
}

func main() {
	addr := flag.String("addr", ":443", "where the site is")
	users := flag.String("users", "users.json", "the names and passwords")
	cert := flag.String("cert", "site.pem", "the certificate and its key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var passwords map[string]string
	pair, err := tls.LoadX509KeyPair(*cert, *cert)
	text, errUsers := os.ReadFile(*users)
	if err := errors.Join(err, errUsers, json.Unmarshal(text, &passwords)); err != nil {
		log.Fatal(err)
	}
	server := &impl.Server{Addr: *addr, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, Logger: slog.Default()}
	s, err := newSite(server, passwords)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.run(ctx); err != nil {
		log.Fatal(err)
	}
}
