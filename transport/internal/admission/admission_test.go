package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/admission"
)

func TestAsk(t *testing.T) {
	refusal := errors.New("not today")
	served := 0
	serve := func(transport.Conn) { served++ }
	for name, c := range map[string]struct {
		accept   admission.Accept
		is       error  // the error, if not nil,
		says     string // and what it says
		panicked any
	}{
		"let in":  {accept: func(context.Context, transport.State) (func(transport.Conn), error) { return serve, nil }},
		"refused": {accept: func(context.Context, transport.State) (func(transport.Conn), error) { return nil, refusal }, is: refusal, says: "not today"},
		"refused, with somebody to serve": {
			accept: func(context.Context, transport.State) (func(transport.Conn), error) { return serve, refusal }, is: refusal, says: "not today",
		},
		"let in by nobody": {
			accept: func(context.Context, transport.State) (func(transport.Conn), error) { return nil, nil }, says: "Accept returned no function to serve the session",
		},
		"a panic": {
			accept: func(context.Context, transport.State) (func(transport.Conn), error) { panic("oops") }, says: "panic", panicked: "oops",
		},
	} {
		t.Run(name, func(t *testing.T) {
			type key struct{}
			ctx := context.WithValue(t.Context(), key{}, "ours")
			state := transport.State{Protocol: "moq-lite-06"}
			var panicked any
			got, err := admission.Ask(ctx, func(ctx context.Context, s transport.State) (func(transport.Conn), error) {
				if ctx.Value(key{}) != "ours" || s.Protocol != state.Protocol {
					t.Errorf("asked about %+v", s)
				}
				return c.accept(ctx, s)
			}, state, func(p any) { panicked = p })
			if panicked != c.panicked {
				t.Errorf("panicked with %v, want %v", panicked, c.panicked)
			}
			if c.says != "" {
				if err == nil || err.Error() != c.says || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("the error is %v, want %s", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got(nil)
			if served != 1 {
				t.Errorf("served %d times", served)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("the token: %w", transport.ErrUnauthorized), http.StatusUnauthorized},
		{fmt.Errorf("the room: %w", transport.ErrNotFound), http.StatusNotFound},
		{fmt.Errorf("the backend: %w", transport.ErrUnavailable), http.StatusBadGateway},
		{errors.New("out of order"), http.StatusInternalServerError},
	} {
		if got := admission.Refusal(c.err); got != c.want {
			t.Errorf("%v is answered with %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAllows(t *testing.T) {
	ours := []string{"https://app.example", "https://other.example:8443/"}
	for _, c := range []struct {
		origins []string
		origin  string
		want    bool
	}{
		{nil, "https://evil.example", true},
		{nil, "", true},
		{ours, "", true}, // no page
		{ours, "https://app.example", true},
		{ours, "HTTPS://App.Example", true},
		{ours, "https://other.example:8443", true},
		{ours, "https://other.example", false},
		{ours, "http://app.example", false},
		{ours, "https://app.example.evil.example", false},
		{ours, "null", false},
		{[]string{}, "https://app.example", false},
		{[]string{}, "", true},
	} {
		if got := admission.Allows(c.origins, c.origin); got != c.want {
			t.Errorf("%q at one that allows %q: %t, want %t", c.origin, c.origins, got, c.want)
		}
	}
}
