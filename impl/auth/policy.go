package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A Policy decides on admission by tokens, client certificates, and what is
// public. Its fields must not change once it is in use. Any number of goroutines
// may use it.
//
// A session that brings a token gets what that grants, or is refused: a bad
// token is never taken for none. Otherwise a client certificate decides, if the
// session has one, and Certificate is set; otherwise Public does. A token and a
// certificate together are refused where both could grant something.
type Policy struct {
	// Keys verify tokens. Nil: tokens are refused.
	Keys Keys

	// Public is what sessions may do that bring no token. The zero value
	// refuses them.
	Public Claims

	// Certificate is what sessions may do whose client certificate was
	// verified. The zero value takes no notice of certificates.
	Certificate Claims

	// Lifetime is how long a grant lasts that has no end of its own: a token's,
	// or a certificate's. Zero: for ever.
	Lifetime time.Duration

	// RecheckEvery is how often the decision on a session is made again while
	// it lasts; a session whose token would be refused by then is ended. A
	// relay that asks through [Handler] does so only for grants that end.
	// Zero: never.
	RecheckEvery time.Duration

	// Tier is that of all grants.
	Tier string
}

// A question is what a decision goes by.
type question struct {
	path        api.BroadcastPath
	token       string
	certificate *certificate
}

// A certificate is one of a client, and was verified.
type certificate struct{ expires time.Time }

// Validate reports what of p cannot be applied.
func (p *Policy) Validate() error {
	for name, claims := range map[string]Claims{"public": p.Public, "certificate": p.Certificate} {
		if _, err := claims.canonical(); err != nil {
			return fmt.Errorf("policy: %s: %w", name, err)
		}
	}
	if p.Lifetime < 0 || p.RecheckEvery < 0 {
		return errors.New("policy: a negative Lifetime or RecheckEvery")
	}
	return nil
}

// Admit decides on a session: it is the Admit of an impl.Server, and Handler asks
// it too. An error matches [api.ErrUnauthorized] if the session is refused, and
// [api.ErrUnavailable] if the keys could not be had.
func (p *Policy) Admit(ctx context.Context, r api.AdmitRequest) (api.Grant, error) {
	q := question{path: r.State.Root, token: r.Token}
	if t := r.State.TLS; t != nil && len(t.VerifiedChains) > 0 {
		q.certificate = &certificate{t.VerifiedChains[0][0].NotAfter}
	}
	return p.decide(ctx, q)
}

// decide makes a grant that is decided on again.
func (p *Policy) decide(ctx context.Context, q question) (api.Grant, error) {
	g, err := p.grant(ctx, q)
	if err != nil {
		return api.Grant{}, err
	}
	if now := time.Now(); g.Expires.IsZero() && p.Lifetime > 0 {
		g.Expires = now.Add(p.Lifetime)
	}
	g.Tier = p.Tier
	if p.RecheckEvery > 0 {
		g.RecheckEvery = p.RecheckEvery
		g.Recheck = func(ctx context.Context) (api.Grant, error) { return p.decide(ctx, q) }
	}
	return g, nil
}

// grant finds what decides, and asks it.
func (p *Policy) grant(ctx context.Context, q question) (api.Grant, error) {
	certified := q.certificate != nil && !p.Certificate.grantsNothing()
	switch {
	case q.token != "" && certified:
		return api.Grant{}, refuse("a token and a client certificate: which of them counts?")
	case q.token != "" && p.Keys == nil:
		return api.Grant{}, refuse("a token, and no key to verify it with")
	case q.token != "":
		claims, err := Verify(ctx, p.Keys, q.token)
		if err != nil {
			return api.Grant{}, err
		}
		return claims.At(q.path)
	case certified:
		g, err := p.Certificate.At(q.path)
		if err == nil && (g.Expires.IsZero() || q.certificate.expires.Before(g.Expires)) {
			g.Expires = q.certificate.expires
		}
		return g, err
	case p.Public.grantsNothing():
		return api.Grant{}, refuse("no token, and nothing is public")
	default:
		return p.Public.At(q.path)
	}
}
