package auth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// TestRemoteAsksAboutTheRoot: SETUP may carry a path that no URL would, and the session
// stands there, not at the path's escaped form.
func TestRemoteAsksAboutTheRoot(t *testing.T) {
	for _, test := range []struct{ path, raw, root, asked string }{
		{"/a b", "/a b", "a b", "/a b"},
		{"/café", "/café", "café", "/café"},
		{"/a%2", "", "a%2", "/a%2"},
		{"//demo//", "", "demo", "//demo//"},
		{"/a b", "/a%20b", "a%20b", "/a%20b"},
	} {
		var asked struct{ Path string }
		r := (&auth.Remote{URL: "https://example.com"}).Through(handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewDecoder(r.Body).Decode(&asked)
			w.WriteHeader(http.StatusForbidden)
		})))
		state := api.SessionState{Root: api.BroadcastPath(test.root), URL: &url.URL{Path: test.path, RawPath: test.raw}}
		_, _ = r.Admit(t.Context(), api.AdmitRequest{State: state})
		if asked.Path != test.asked {
			t.Errorf("a session at %q: asked about %q, want %q", test.root, asked.Path, test.asked)
		}
	}
}
