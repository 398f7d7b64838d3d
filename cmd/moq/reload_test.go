package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestReload: files are read again when they change, and on a hang-up in any case; what
// cannot be read is told once, and leaves what there was.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	written := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		r, err := newReloaded("the file", func() (string, error) {
			reads.Add(1)
			text, err := os.ReadFile(file)
			if string(text) == "bad" {
				return "", errors.New("it is bad")
			}
			return string(text), err
		}, file)
		if err != nil || r.get() != "one" {
			t.Fatalf("%q, %v", r.get(), err)
		}
		said := &buffer{grew: make(chan struct{}, 1)}
		hangup := make(chan os.Signal, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			(&options{stdio: stdio{err: said}}).keepReloading(ctx, hangup, []refresher{r})
		}()
		for _, step := range []struct {
			do    func()
			value string
			reads int64 // in all
			says  string
		}{
			{func() {}, "one", 1, ""},
			{func() { write("three") }, "three", 2, "read the file again\n"},
			{func() { write("bad") }, "three", 3, "cannot read the file again, the last one stays: it is bad\n"},
			{func() { _ = os.Remove(file) }, "three", 4, "the last one stays: open "},
			{func() { write("three again") }, "three again", 5, "read the file again\n"},
			{func() { _ = os.Chtimes(file, written, written) }, "three again", 6, "read the file again\n"},
			{func() {
				write("three AGAIN")
				_ = os.Chtimes(file, written, written) // as if nothing had happened
			}, "three again", 6, ""},
			{func() { hangup <- os.Interrupt }, "three AGAIN", 7, "read the file again\n"},
		} {
			before := len(said.String())
			step.do()
			time.Sleep(5 * reloadEvery)
			synctest.Wait()
			says := said.String()[before:]
			if r.get() != step.value || reads.Load() != step.reads || !strings.Contains(says, step.says) || (step.says == "") != (says == "") {
				t.Errorf("%q after %d reads, want %q after %d; it says %q", r.get(), reads.Load(), step.value, step.reads, says)
			}
		}
		cancel()
		<-ended
	})
}

// writePair writes a certificate and its key.
func writePair(t *testing.T, cert, key string) (pair tls.Certificate) {
	t.Helper()
	pair, err := devcert.New("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// TestRelayReloads: a relay takes another certificate, and other authorities for those of
// clients, while it runs, over QUIC and over TCP.
func TestRelayReloads(t *testing.T) {
	transporttest.NoLeaks(t)
	dir := t.TempDir()
	cert, key, authority := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	writePair(t, cert, key)
	ca, first := clientCertificate(t)
	other, second := clientCertificate(t)
	replace := func(with string) {
		t.Helper()
		text, err := os.ReadFile(with)
		if err == nil {
			err = os.WriteFile(authority, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(ca)
	server := start(t, "", "token", "serve", "--listen", "127.0.0.1:0", "--cert-publish", "demo/**", "--json")
	server.out.await(t, "\n")
	t.Cleanup(func() { server.cancel(); server.wait(exitDone) })
	relay := start(t, "", "relay", "--listen", "127.0.0.1:0", "--json", "--auth-url", server.lines()[0]["url"].(string),
		"--listen-client-ca", authority, "--cert", cert, "--key", key)
	relay.out.await(t, "\n")
	t.Cleanup(func() { relay.cancel(); relay.wait(exitDone) })
	addr := strings.TrimPrefix(relay.lines()[0]["url"].(string), "https://")
	check := func(step string, admitted, refused tls.Certificate) {
		t.Helper()
		if err := admittedTo(t, addr, "/demo", admitted); err != nil {
			t.Errorf("%s: %v", step, err)
		}
		if err := admittedTo(t, addr, "/demo", refused); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("%s, the other one: %v", step, err)
		}
	}
	check("at first", first, second)
	replace(other)
	relay.err.await(t, "\nread the authorities of --listen-client-ca again")
	check("after the change", second, first)
	replace(key)
	relay.err.await(t, "cannot read the authorities of --listen-client-ca again")
	check("with a bad file", second, first)

	pair := writePair(t, cert, key)
	relay.err.await(t, "\nread the certificate "+cert+" again")
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // the test's own relay
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if state := conn.ConnectionState(); string(state.PeerCertificates[0].Raw) != string(pair.Certificate[0]) || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("the certificate is the old one, or the protocol %q is none", state.NegotiatedProtocol)
	}
	check("with another certificate", second, first)
}
