package requestheader_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/requestheader"
)

func TestNew(t *testing.T) {
	each := http.Header{"User-Agent": {"camera"}, "x-tenant": {"1"}}
	once := http.Header{"X-Tenant": {"2", "3"}}
	got, err := requestheader.New(each, transport.DialOptions{Header: once})
	want := http.Header{"User-Agent": {"camera"}, "X-Tenant": {"2", "3"}}
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	got.Set("User-Agent", "changed")
	got["X-Tenant"][0] = "changed"
	if each.Get("User-Agent") != "camera" || once.Get("X-Tenant") != "2" {
		t.Error("the caller's headers are not copied")
	}
	got, err = requestheader.New(each, transport.DialOptions{Header: once, OtherOrigin: true})
	if err != nil || got == nil || len(got) > 0 {
		t.Errorf("to another origin: %v, %v", got, err)
	}
}

// TestRefused: what the protocol sets, and what would break the request, is an
// error that names the field, and no value.
func TestRefused(t *testing.T) {
	for name, value := range map[string]string{
		"Host": "secret", "connection": "secret", "Upgrade": "secret", "Transfer-Encoding": "secret", "Sec-WebSocket-Protocol": "secret",
		"WT-Available-Protocols": "secret", "Sec-WebTransport-HTTP3-Draft02": "secret", "X-Split": "secret\r\nX: 1", "X Y": "secret", "": "secret", ":path": "secret",
	} {
		header := http.Header{name: {value}}
		_, each := requestheader.New(header, transport.DialOptions{})
		_, once := requestheader.New(nil, transport.DialOptions{Header: header})
		for _, err := range []error{each, once} {
			failed, ok := errors.AsType[*transport.DialError](err)
			if !ok || failed.Phase != transport.PhaseResolve || strings.Contains(err.Error(), "secret") ||
				!strings.Contains(strings.ToLower(err.Error()), strings.ToLower(name)) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}
