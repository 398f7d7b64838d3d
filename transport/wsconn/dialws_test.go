package wsconn_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/wsconn"
)

// A redirect is an error that says where it leads, without credentials.
func TestRedirect(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer server.Close()
	at := "ws" + strings.TrimPrefix(server.URL, "http")
	for to, want := range map[string]string{
		"https://user:secret@other.example/live?jwt=secret": "https://other.example/live?",
		"/elsewhere": server.URL + "/elsewhere",
	} {
		_, err := new(wsconn.Dialer).Dial(t.Context(), at+"/?to="+url.QueryEscape(to), []string{protocol})
		failed, ok := errors.AsType[*transport.DialError](err)
		if !ok || failed.Phase != transport.PhaseUpgrade || strings.Contains(err.Error(), "secret") ||
			!strings.Contains(err.Error(), "302 Found, a redirect to "+want) {
			t.Errorf("error is %v, want one that names %s", err, want)
		}
	}
}
