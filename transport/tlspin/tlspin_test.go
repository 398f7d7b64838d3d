package tlspin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// handshake performs a TLS handshake between a client with conf and a server
// with cert.
func handshake(t *testing.T, conf *tls.Config, cert tls.Certificate) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", certtest.Server(cert))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.(*tls.Conn).Handshake()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return tls.Client(c, conf).HandshakeContext(t.Context())
}

func TestPin(t *testing.T) {
	now := time.Now()
	good := certtest.New(t, certtest.Options{})
	other := certtest.New(t, certtest.Options{})
	longest := certtest.New(t, certtest.Options{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(tlspin.MaxValidity - time.Hour)})
	tooLong := certtest.New(t, certtest.Options{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(tlspin.MaxValidity)})
	expired := certtest.New(t, certtest.Options{NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-time.Hour)})
	early := certtest.New(t, certtest.Options{NotBefore: now.Add(time.Hour), NotAfter: now.Add(48 * time.Hour)})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaCert := certtest.New(t, certtest.Options{Key: key})

	for name, c := range map[string]struct {
		cert tls.Certificate
		pins []tls.Certificate
		text string // of the error; empty: none
	}{
		"pinned":             {good, []tls.Certificate{good}, ""},
		"one of two":         {good, []tls.Certificate{other, good}, ""},
		"another":            {good, []tls.Certificate{other}, "another fingerprint"},
		"none":               {good, nil, "another fingerprint"},
		"the longest":        {longest, []tls.Certificate{longest}, ""},
		"valid for too long": {tooLong, []tls.Certificate{tooLong}, "at most"},
		"expired":            {expired, []tls.Certificate{expired}, "expired"},
		"not valid yet":      {early, []tls.Certificate{early}, "valid from"},
		"an RSA key":         {rsaCert, []tls.Certificate{rsaCert}, "ECDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			var pins []tlspin.Fingerprint
			for _, p := range c.pins {
				pins = append(pins, certtest.Fingerprint(p))
			}
			err := handshake(t, tlspin.Config(nil, pins...), c.cert)
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v (%T), want %q", err, err, c.text)
			}
		})
	}
}

func TestBase(t *testing.T) {
	cert := certtest.New(t, certtest.Options{})
	reason := errors.New("the base refuses")
	base := &tls.Config{
		ServerName:       "name.example",
		VerifyConnection: func(tls.ConnectionState) error { return reason },
		Time:             func() time.Time { return time.Now().Add(time.Minute) },
	}
	if err := handshake(t, tlspin.Config(base, certtest.Fingerprint(cert)), cert); !errors.Is(err, reason) {
		t.Errorf("error is %v, want the base's", err)
	}
	if base.InsecureSkipVerify {
		t.Error("the base was changed")
	}
	base.VerifyConnection, base.Time = nil, func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }
	if err := handshake(t, tlspin.Config(base, certtest.Fingerprint(cert)), cert); err == nil {
		t.Error("the base's clock does not count")
	}
}

func TestParse(t *testing.T) {
	digits := strings.Repeat("0aF", 21) + "9"
	for in, ok := range map[string]bool{
		digits:              true,
		" " + digits + "\n": true,
		strings.TrimSuffix(strings.Repeat("ab:", 32), ":"): true,
		"":                         false,
		digits[1:]:                 false,
		digits + "00":              false,
		"<!DOCTYPE html>":          false,
		strings.Repeat("zz", 32):   false,
		strings.Repeat("00", 1000): false,
	} {
		if _, err := tlspin.Parse(in); (err == nil) != ok {
			t.Errorf("Parse(%q): %v", in, err)
		}
	}
}
