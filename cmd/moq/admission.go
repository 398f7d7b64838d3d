package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/transport"
)

// publicFlags say what all may do, below the root of all.
type publicFlags struct {
	prefix                   string // of the flags' names
	both, publish, subscribe []string
}

// add adds the flags --PREFIX, --PREFIX-publish and --PREFIX-subscribe.
func (f *publicFlags) add(cmd *cobra.Command, prefix string) {
	f.prefix = prefix
	cmd.Flags().StringArrayVar(&f.both, prefix, nil, "what all may publish and subscribe to, a `pattern`; repeatable")
	cmd.Flags().StringArrayVar(&f.publish, prefix+"-publish", nil, "what all may publish, a `pattern`; repeatable")
	cmd.Flags().StringArrayVar(&f.subscribe, prefix+"-subscribe", nil, "what all may subscribe to, a `pattern`; repeatable")
}

// given reports whether there is one of the flags.
func (f *publicFlags) given() bool { return len(f.both)+len(f.publish)+len(f.subscribe) > 0 }

// claims returns what the flags grant.
func (f *publicFlags) claims() (claims auth.Claims, err error) {
	both, err := widePatterns(f.prefix, f.both)
	if err != nil {
		return claims, err
	}
	if claims.Publish, err = widePatterns(f.prefix+"-publish", f.publish); err != nil {
		return claims, err
	}
	if claims.Subscribe, err = widePatterns(f.prefix+"-subscribe", f.subscribe); err != nil {
		return claims, err
	}
	claims.Publish, claims.Subscribe = append(claims.Publish, both...), append(claims.Subscribe, both...)
	return claims, nil
}

// widePatterns reads the patterns of a flag. One without a wildcard would be a single
// broadcast, which is hardly meant where everybody's rights are told.
func widePatterns(flag string, texts []string) (api.Patterns, error) {
	for _, p := range texts {
		if !strings.Contains(p, "*") {
			return nil, usage("--%s: pattern %q is one broadcast alone: write %q for all below it", flag, p, api.BroadcastPath(p).Join("**"))
		}
	}
	patterns, err := api.ParsePatterns(texts...)
	if err != nil {
		return nil, usage("--%s: %w", flag, err)
	}
	return patterns, nil
}

// admissionFlags say whom a relay admits.
type admissionFlags struct {
	url      string
	key      string
	public   publicFlags
	clientCA string
}

func (f *admissionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "auth-url", "", "ask the server at this `URL` about each session: https://, http:// at a loopback address, or unix:///path")
	cmd.Flags().StringVar(&f.key, "auth-key", "", "admit sessions by their tokens, with the keys in a file, a `directory` of KID.jwk, or behind a URL")
	f.public.add(cmd, "auth-public")
	cmd.Flags().StringVar(&f.clientCA, "listen-client-ca", "", "verify the certificates of clients that have one, with the authorities in this PEM `file`; needs --auth-url")
}

// An admission is what a relay asks about sessions.
type admission struct {
	admit func(context.Context, api.AdmitRequest) (api.Grant, error) // nil: everyone may do everything
	rule  string                                                     // for the operator
	close func()
}

// admission returns what the flags say.
func (f *admissionFlags) admission(ctx context.Context, o *options) (admission, error) {
	switch decides := f.key != "" || f.public.given(); {
	case f.url != "" && decides:
		return admission{}, usage("--auth-url and --auth-key or --auth-public: one of them decides, either the server at the URL or this relay (moq token serve has --key and --public)")
	case f.clientCA != "" && f.url == "":
		return admission{}, usage("--listen-client-ca needs --auth-url: the server there says what holders of a certificate may do (moq token serve has --cert-publish and --cert-subscribe)")
	case f.url != "":
		return f.remote(o)
	case decides:
		return f.policy(ctx, o)
	default:
		return admission{rule: "everyone may publish and subscribe to everything: --auth-key, --auth-url and --auth-public limit that", close: func() {}}, nil
	}
}

// remote asks a server. It is trusted by --ca (or MOQ_CA), and not by --insecure or --fingerprint,
// which are for the server of --connect.
func (f *admissionFlags) remote(o *options) (admission, error) {
	r := &auth.Remote{URL: f.url, Logger: o.warnings()}
	if named, ca := o.authorities(); ca != "" {
		roots, err := certificates(named, ca)
		if err != nil {
			return admission{}, err
		}
		r.TLSConfig = &tls.Config{RootCAs: roots}
	}
	if err := r.Validate(); err != nil {
		return admission{}, usage("--auth-url: %w", err)
	}
	return admission{r.Admit, "asking " + transport.RedactURL(f.url) + " about each session", func() { _ = r.Close() }}, nil
}

// policy decides by tokens and by what is public.
func (f *admissionFlags) policy(ctx context.Context, o *options) (admission, error) {
	public, err := f.public.claims()
	if err != nil {
		return admission{}, err
	}
	p := &auth.Policy{Public: public}
	if err := p.Validate(); err != nil {
		return admission{}, usage("%w", err)
	}
	rule := "without a token all are refused"
	if f.public.given() {
		rule = fmt.Sprintf("without a token all may publish %v and subscribe to %v", listed(public.Publish), listed(public.Subscribe))
	}
	if f.key == "" {
		return admission{p.Admit, rule + "; with a token they are refused, since there is no --auth-key", func() {}}, nil
	}
	if p.Keys, err = o.loadKeys(ctx, "--auth-key", f.key); err != nil {
		return admission{}, err
	}
	return admission{p.Admit, "admitting by tokens of " + transport.RedactURL(f.key) + "; " + rule, func() {}}, nil
}

// listed returns patterns for people.
func listed(p api.Patterns) string {
	if len(p) == 0 {
		return "nothing"
	}
	texts := make([]string, len(p))
	for i := range p {
		texts[i] = string(p[i])
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// loadKeys returns the keys that a flag names, after it has read them once. A server may
// come later, and its absence is logged.
func (o *options) loadKeys(ctx context.Context, flag, from string) (*auth.Source, error) {
	keys, err := o.keySource(flag, from)
	if err != nil {
		return nil, err
	}
	if err := keys.Validate(); err != nil {
		return nil, usage("%s: %w", flag, err)
	}
	if err := keys.Load(ctx); err != nil && !strings.Contains(from, "://") {
		return nil, err
	}
	return keys, nil
}

// verifyClients makes a server's configuration ask clients for certificates, which they
// need not have. A session that was admitted stays when its authority is removed.
func (f *admissionFlags) verifyClients(c *relayTLS) error {
	if f.clientCA == "" {
		return nil
	}
	base := c.config
	verifying, err := newReloaded("the authorities of --listen-client-ca", func() (*tls.Config, error) {
		pool, err := certificates("--listen-client-ca", f.clientCA)
		if err != nil {
			return nil, err
		}
		c := base.Clone()
		c.ClientCAs, c.ClientAuth = pool, tls.VerifyClientCertIfGiven
		return c, nil
	}, f.clientCA)
	if err != nil {
		return err
	}
	c.config = verifying.get().Clone()
	c.config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return verifying.get(), nil }
	c.files = append(c.files, verifying)
	return nil
}

// certificates reads the authorities that a flag names.
func certificates(flag, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s %s: the file contains no PEM certificate", flag, file)
	}
	return pool, nil
}
