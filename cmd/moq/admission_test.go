package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayRefusesToStart: what would admit others than was meant, or nobody, stops the
// start, with a sentence that says what to do.
func TestRelayRefusesToStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("neither a key nor a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, want string
		status     int
	}{
		{"--auth-url https://a.example/ --auth-key " + file, "one of them decides", exitUsage},
		{"--auth-url https://a.example/ --auth-public **", "one of them decides", exitUsage},
		{"--auth-url https://a.example/ --auth-public-publish **", "one of them decides", exitUsage},
		{"--auth-url http://a.example/?hidden", "use https://, or a loopback address", exitUsage},
		{"--auth-url a.example", "https://, http:// at a loopback address, or unix:///path", exitUsage},
		{"--auth-public anon", `write "anon/**"`, exitUsage},
		{"--auth-public-publish anon/x", `--auth-public-publish: pattern "anon/x" is one broadcast alone`, exitUsage},
		{"--auth-public-subscribe a//*", "empty path segment", exitUsage},
		{"--auth-key http://a.example/keys?hidden", "use https://, or a loopback address", exitUsage},
		{"--auth-key " + file + ".missing", "no such file", exitFailed},
		{"--auth-key " + file, "file: ", exitFailed},
		{"--listen-client-ca " + file, "--listen-client-ca needs --auth-url", exitUsage},
		{"--listen-client-ca " + file + " --auth-public **", "--listen-client-ca needs --auth-url", exitUsage},
		{"--listen-client-ca " + file + " --auth-url http://127.0.0.1:1/", "contains no PEM certificate", exitFailed},
	} {
		_, complaint := printed(t, test.status, "", append([]string{"relay", "--listen", "127.0.0.1:0"}, strings.Fields(test.args)...)...)
		if !strings.Contains(complaint, test.want) || strings.Contains(complaint, "hidden") || strings.Contains(complaint, "listening") {
			t.Errorf("relay %s: %s", test.args, complaint)
		}
	}
}

// admittedTo dials a relay as a client that waits for its decision.
func admittedTo(t *testing.T, addr, path string, identity ...tls.Certificate) error {
	t.Helper()
	client := &impl.Client{
		TLSConfig: &tls.Config{InsecureSkipVerify: true, Certificates: identity}, //nolint:gosec // the test's own relay
		Config:    &api.Config{WaitForSetup: true},
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := client.Dial(ctx, "moqt://"+addr+path, api.NewTrackMux())
	return err
}

// startRelayWith runs a relay until the test ends, and returns its address and what it
// says of admission.
func startRelayWith(t *testing.T, args ...string) (addr, said string) {
	t.Helper()
	relay := start(t, "", append([]string{"relay", "--listen", "127.0.0.1:0", "--json"}, args...)...)
	relay.out.await(t, "\n")
	t.Cleanup(func() { relay.cancel(); relay.wait(exitDone) })
	return strings.TrimPrefix(relay.lines()[0]["url"].(string), "https://"), relay.err.String()
}

// TestRelayAdmits runs a relay with each source of decisions. It says at its start which.
func TestRelayAdmits(t *testing.T) {
	transporttest.NoLeaks(t)
	dir := t.TempDir()
	key, err := auth.NewKey("HS256", "k1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"k1.jwk", "other/k1.jwk"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "k1.jwk")
	if err := key.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	token, err := key.Issue(auth.Claims{Root: "demo", Publish: api.Patterns{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	with := "?jwt=" + token
	server := start(t, "", "token", "serve", "--listen", "127.0.0.1:0", "--key", file, "--public-subscribe", "open/**", "--json")
	server.out.await(t, "\n")
	url := server.lines()[0]["url"].(string)
	for _, test := range []struct {
		name, args, says  string
		admitted, refused []string
	}{
		{"everyone", "", "everyone may publish and subscribe to everything", []string{"/", "/demo" + with}, nil},
		{"a file", "--auth-key " + file, "without a token all are refused", []string{"/demo" + with}, []string{"/demo", "/other" + with, "/demo" + with + "x"}},
		{"a directory", "--auth-key " + dir, "admitting by tokens of " + dir, []string{"/demo" + with}, []string{"/demo"}},
		{
			"a file, and public", "--auth-key " + file + " --auth-public-subscribe open/**",
			"without a token all may publish nothing and subscribe to open/**",
			[]string{"/demo" + with, "/open/x"}, []string{"/demo", "/demo" + with + "x", "/open" + with},
		},
		{
			"public alone", "--auth-public a/** --auth-public-publish b/**", "publish a/**, b/** and subscribe to a/**",
			[]string{"/a", "/b", "/"}, []string{"/c", "/a" + with},
		},
		{"a server", "--auth-url " + url, "asking " + url, []string{"/demo" + with, "/open"}, []string{"/demo", "/open" + with}},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, said := startRelayWith(t, strings.Fields(test.args)...)
			if !strings.Contains(said, test.says) {
				t.Errorf("it says %q, without %q", said, test.says)
			}
			for _, path := range test.admitted {
				if err := admittedTo(t, addr, path); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
			for _, path := range test.refused {
				if err := admittedTo(t, addr, path); !errors.Is(err, api.ErrUnauthorized) {
					t.Errorf("%s: %v, want unauthorized", path, err)
				}
			}
		})
	}
	addr, _ := startRelayWith(t, "--auth-url", url)
	server.cancel()
	server.wait(exitDone)
	if err := admittedTo(t, addr, "/open"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("without the server: %v, want unavailable", err)
	}
}

// TestRelayTellsOfCertificates: the server that is asked decides by a verified client
// certificate, and a client without one may still have a token.
func TestRelayTellsOfCertificates(t *testing.T) {
	transporttest.NoLeaks(t)
	ca, identity := clientCertificate(t)
	_, stranger := clientCertificate(t)
	server := start(t, "", "token", "serve", "--listen", "127.0.0.1:0", "--cert-publish", "demo/**", "--public-subscribe", "open/**", "--json")
	server.out.await(t, "\n")
	t.Cleanup(func() { server.cancel(); server.wait(exitDone) })
	addr, _ := startRelayWith(t, "--auth-url", server.lines()[0]["url"].(string), "--listen-client-ca", ca)
	for _, test := range []struct {
		name, path string
		identity   []tls.Certificate
		refused    bool
	}{
		{"with a certificate", "/demo", []tls.Certificate{identity}, false},
		{"where it grants nothing", "/open", []tls.Certificate{identity}, true},
		{"without one", "/open", nil, false},
		{"without one where it is needed", "/demo", nil, true},
		{"of another authority", "/open", []tls.Certificate{stranger}, true},
	} {
		err := admittedTo(t, addr, test.path, test.identity...)
		if test.refused && !errors.Is(err, api.ErrUnauthorized) || !test.refused && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// clientCertificate returns a file with an authority, and a client's certificate of it.
func clientCertificate(t *testing.T) (ca string, client tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	holder := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "holder"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if der, err = x509.CreateCertificate(rand.Reader, holder, authority, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
