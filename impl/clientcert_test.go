package impl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestClientCertificateIsRefused dials servers that require certificates of
// their own authority. With TLS 1.3 a client usually learns of the refusal
// after its dial: the errors then say so, and do not lead to another dial.
func TestClientCertificateIsRefused(t *testing.T) {
	theirs, ours := certificate(t)
	good, err := devcert.New("client.example")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := devcert.New("client.example")
	if err != nil {
		t.Fatal(err)
	}
	theirs.ClientAuth, theirs.ClientCAs = tls.RequireAnyClientCert, x509.NewCertPool()
	theirs.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if string(raw[0]) != string(good.Certificate[0]) {
			return errors.New("not one of ours")
		}
		return nil
	}
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux()})
	for _, scheme := range []string{"moqt", "https", "wss", "tls"} {
		for name, certs := range map[string][]tls.Certificate{"none": nil, "another": {stranger}, "good": {good}} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				conf := ours.Clone()
				conf.Certificates = certs
				c := client(t, &impl.Client{TLSConfig: conf, Config: &api.Config{WaitForSetup: true}})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := c.Dial(ctx, scheme+"://"+addr, api.NewTrackMux())
				if name == "good" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				failed, ok := errors.AsType[*api.DialError](err)
				if !ok || failed.Phase != api.PhaseTLS || !errors.Is(err, api.ErrUnauthorized) || !redial.Permanent(err) {
					t.Errorf("%v: %+v", err, failed)
				}
			})
		}
	}
}

// TestClientCertificateIsRefusedLate dials without waiting for the server.
func TestClientCertificateIsRefusedLate(t *testing.T) {
	theirs, ours := certificate(t)
	theirs.ClientAuth, theirs.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux()})
	for _, scheme := range []string{"moqt", "https", "wss", "tls"} {
		c := client(t, &impl.Client{TLSConfig: ours})
		s, err := c.Dial(t.Context(), scheme+"://"+addr, api.NewTrackMux())
		if err == nil {
			<-s.Context().Done()
			err = context.Cause(s.Context())
		}
		if !errors.Is(err, api.ErrUnauthorized) || !redial.Permanent(err) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}
