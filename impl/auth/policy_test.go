package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// request makes a question about a session at a path.
func request(path api.BroadcastPath, token string) api.AdmitRequest {
	return api.AdmitRequest{Token: token, State: api.SessionState{Root: path}}
}

// certified adds a client certificate that was verified.
func certified(r api.AdmitRequest, until time.Time) api.AdmitRequest {
	r.State.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{NotAfter: until}}}}
	return r
}

func TestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "HS256", "k")
		until := time.Now().Add(time.Hour)
		p := &auth.Policy{
			Keys:        auth.Set(key),
			Public:      auth.Claims{Subscribe: api.Patterns{"open/**"}},
			Certificate: auth.Claims{Publish: api.Patterns{"**"}},
			Lifetime:    time.Minute, RecheckEvery: 10 * time.Second, Tier: "gold",
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		token := issue(t, key, auth.Claims{Publish: api.Patterns{"a"}, Expires: until})
		for _, c := range []struct {
			name               string
			r                  api.AdmitRequest
			publish, subscribe api.Patterns
			expires            time.Time
		}{
			{"token", request("", token), api.Patterns{"a"}, nil, until},
			{"endless token", request("", issue(t, key, everything)), api.Patterns{"**"}, api.Patterns{"**"}, time.Now().Add(time.Minute)},
			{"public", request("open", ""), nil, api.Patterns{"**"}, time.Now().Add(time.Minute)},
			{"certificate", certified(request("open", ""), until), api.Patterns{"**"}, nil, until},
		} {
			g, err := p.Admit(t.Context(), c.r)
			if err != nil || !g.Expires.Equal(c.expires) || g.Tier != "gold" || g.RecheckEvery != 10*time.Second || g.Validate() != nil {
				t.Errorf("%s: %+v, %v", c.name, g, err)
			}
			checkGrant(t, g, c.publish, c.subscribe)
		}
		for name, r := range map[string]api.AdmitRequest{
			"not public": request("", "x"), "elsewhere": request("shut", ""), "bad token where it is public": request("open", token+"A"),
			"both": certified(request("", token), until),
		} {
			if g, err := p.Admit(t.Context(), r); !errors.Is(err, api.ErrUnauthorized) || !g.Empty() || g.Recheck != nil {
				t.Errorf("%s: %+v, %v", name, g, err)
			}
		}
		g, err := p.Admit(t.Context(), request("", token))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if g, err := g.Recheck(t.Context()); err != nil || g.Empty() {
			t.Errorf("rechecked: %+v, %v", g, err)
		}
		time.Sleep(time.Minute)
		if g, err := g.Recheck(t.Context()); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("rechecked at its end: %+v, %v", g, err)
		}
	})
	if _, err := (&auth.Policy{}).Admit(t.Context(), request("", "")); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("the zero policy: %v", err)
	}
	if _, err := (&auth.Policy{Keys: brokenKeys{}}).Admit(t.Context(), request("", signed(t, plainHeader, `{"put":""}`))); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("without keys: %v", err)
	}
	for _, p := range []*auth.Policy{{Lifetime: -1}, {RecheckEvery: -1}, {Public: auth.Claims{Publish: api.Patterns{"a//b"}}}, {Certificate: auth.Claims{Root: "*"}}} {
		if p.Validate() == nil {
			t.Errorf("%+v is valid", p)
		}
	}
	// A certificate counts only where it is meant to.
	p := &auth.Policy{Keys: auth.Set(newKey(t, "HS256", "k")), Public: auth.Claims{Subscribe: api.Patterns{"**"}}}
	if g, err := p.Admit(t.Context(), certified(request("", ""), time.Now())); err != nil || !g.Expires.IsZero() || len(g.Publish) > 0 {
		t.Errorf("%+v, %v", g, err)
	}
}
