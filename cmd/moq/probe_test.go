package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

func TestProbe(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, fingerprint := startRelay(t)
	for scheme, transport := range map[string]string{"moqt": "quic", "https": "webtransport"} {
		for _, version := range api.Versions() {
			t.Run(scheme+" "+string(version), func(t *testing.T) {
				flags := []string{"probe", scheme + "://" + addr, "--version-only", string(version), "--fingerprint", fingerprint}
				c := start(t, "", append(flags, "--json")...)
				c.wait(exitDone)
				lines := c.lines()
				if len(lines) != 1 {
					t.Fatalf("%v", lines)
				}
				is := lines[0]
				if is["ok"] != true || is["version"] != string(version) || is["transport"] != transport || is["remote"] != addr {
					t.Errorf("%v", is)
				}
				for _, name := range []string{"rtt_us", "min_rtt_us", "bits_per_second", "connect_us", "packets_sent"} {
					if n, _ := is[name].(float64); n <= 0 {
						t.Errorf("%s is %v", name, is[name])
					}
				}
				if peer, ok := is["peer"].(map[string]any); ok != (version > api.Lite04) || ok && peer["hop"].(float64) == 0 {
					t.Errorf("peer %v", is["peer"])
				}
				text := start(t, "", flags...)
				text.wait(exitDone)
				for _, word := range []string{string(version), transport, addr, "rtt", "bit/s", "certificate  valid until"} {
					if !strings.Contains(text.out.String(), word) {
						t.Errorf("no %q in\n%s", word, text.out)
					}
				}
			})
		}
	}
}

// Over TCP there is no estimate of the bitrate.
func TestProbeOverTCP(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, fingerprint := startRelay(t)
	c := start(t, "", "probe", "wss://"+addr, "--fingerprint", fingerprint, "--json")
	c.wait(exitDone)
	if is := c.lines()[0]; is["ok"] != true || is["bits_per_second"] != nil || is["estimate"] != nil {
		t.Errorf("%v", is)
	}
	text := start(t, "", "probe", "wss://"+addr, "--fingerprint", fingerprint)
	text.wait(exitDone)
	if said := text.out.String(); strings.Contains(said, "bit/s") || !strings.Contains(said, "bitrate      not known") {
		t.Errorf("it says\n%s", said)
	}
}

func TestProbeWatches(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	c := start(t, "", "probe", "http://"+addr, "--watch", "--interval", "20ms", "--json")
	c.out.awaitCount(t, "\n", 3)
	c.cancel()
	c.wait(exitDone)
	if lines := c.lines(); lines[0]["ok"] != true || lines[2]["rtt_us"].(float64) <= 0 {
		t.Errorf("%v", lines)
	}
	text := start(t, "", "probe", "http://"+addr, "--watch", "--interval", "20ms")
	text.out.await(t, "packets\n")
	text.cancel()
	text.wait(exitDone)
}

// newCertificate makes a certificate that is valid from before to after the
// current time.
func newCertificate(t *testing.T, name string, before, after time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-before), NotAfter: time.Now().Add(after), DNSNames: []string{name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// startWith runs a server with a certificate. It returns the port, and a file
// with the certificate as a root.
func startWith(t *testing.T, cert tls.Certificate) (port, ca string) {
	t.Helper()
	addr := startServer(t, &impl.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Mux: api.NewTrackMux()})
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(addr.String())
	return port, ca
}

// silent opens a UDP port that answers nothing. If serve is not nil, it serves
// HTTP on the TCP port with the same number.
func silent(t *testing.T, serve http.Handler) (port string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if serve != nil {
		l, err := net.Listen("tcp", c.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: serve}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
	}
	_, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return port
}

func TestProbeTellsWhatIsWrong(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, fingerprint := startRelay(t)
	expired, expiredCA := startWith(t, newCertificate(t, "localhost", 2*time.Hour, -time.Hour))
	misnamed, misnamedCA := startWith(t, newCertificate(t, "relay.example.com", time.Hour, time.Hour))
	pinned := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, fingerprint) })
	tcpOnly, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcpOnly.Close()
	old := startServer(t, &impl.Server{Mux: api.NewTrackMux(), Config: &api.Config{Versions: []api.Version{api.Lite05, api.Lite04}}})
	strict := startServer(t, &impl.Server{
		Mux:   api.NewTrackMux(),
		Admit: func(context.Context, api.AdmitRequest) (api.Grant, error) { return api.Grant{}, api.ErrUnauthorized },
	})
	other := hex.EncodeToString(make([]byte, 32))
	for _, test := range []struct {
		name, phase string
		found, try  string // empty: nothing
		args        string
	}{
		{"nothing listens", "connect", "", "is the server up, and is this its port?", "moqt://127.0.0.1:1"},
		{"nothing listens over TCP", "connect", "", "In production the scheme is https://", "http://127.0.0.1:1"},
		{"only TCP listens", "connect", "nothing listens on the UDP port", "is this a MoQ (or HTTP/3) server", "moqt://" + tcpOnly.Addr().String()},
		{"UDP is blocked", "connect", "answers over TCP", "UDP is blocked", "https://127.0.0.1:" + silent(t, pinned)},
		{"UDP is blocked after the pin", "connect", "answers over TCP", "UDP is blocked", "http://127.0.0.1:" + silent(t, pinned)},
		{"a web server", "connect", "accepts TCP connections, but nothing answers", "is this a MoQ (or HTTP/3) server", "https://127.0.0.1:" + silent(t, http.NotFoundHandler())},
		{"nothing answers", "connect", "refuses TCP", "is the server up", "moqt://127.0.0.1:" + silent(t, nil)},
		{"untrusted", "tls", fingerprint, "--fingerprint HEX", "https://" + addr},
		{"another pin", "tls", fingerprint, "is this the server you mean?", "moqt://" + addr + " --fingerprint " + other},
		{"expired", "tls", "", "renew the server's certificate, or set this machine's clock", "https://localhost:" + expired + " --ca " + expiredCA},
		{"another name", "tls", "", "use a host name in the URL", "moqt://localhost:" + misnamed + " --ca " + misnamedCA},
		{"version, native", "negotiate", "the server speaks moq-lite-05, moq-lite-04", "remove --version-only", "moqt://" + old.String() + " --insecure --version-only moq-lite-06"},
		{"version, web", "negotiate", "over moqt:// the server speaks moq-lite-05", "remove --version-only", "https://" + old.String() + " --insecure --version-only moq-lite-03"},
		{"token, native", "setup", "", "?jwt=", "moqt://" + strict.String() + " --insecure"},
		{"token, moq-lite-04", "setup", "", "?jwt=", "moqt://" + strict.String() + " --insecure --version-only moq-lite-04"},
		{"token, web", "setup", "", "?jwt=", "https://" + strict.String() + "?jwt=secret --insecure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			c := start(t, "", strings.Fields("probe --timeout 2s --json "+test.args)...)
			c.wait(exitFailed)
			if took := time.Since(began); took > 2500*time.Millisecond {
				t.Errorf("took %v", took)
			}
			is := c.lines()[0]
			found, try := fmt.Sprint(is["found"]), fmt.Sprint(is["try"])
			if is["ok"] != false || is["phase"] != test.phase || is["error"] == "" {
				t.Errorf("%v", is)
			}
			if !strings.Contains(found, test.found) || test.found == "" && !strings.HasPrefix(found, "[the server claims") && found != "[]" {
				t.Errorf("found %s, want %q", found, test.found)
			}
			if !strings.Contains(try, test.try) || is["try"] == "" {
				t.Errorf("try %q, want %q", try, test.try)
			}
			if strings.Contains(c.err.String()+c.out.String(), "secret") {
				t.Errorf("tells the token: %s%s", c.out, c.err)
			}
		})
	}
	// For people, the same in lines.
	c := start(t, "", "probe", "https://"+addr)
	c.wait(exitFailed)
	for _, text := range []string{"moq: dial https://" + addr, "\nphase: tls\n", "\nfound: the server claims", "\ntry:   trust it"} {
		if !strings.Contains(c.err.String(), text) {
			t.Errorf("no %q in\n%s", text, c.err)
		}
	}
	start(t, "", "probe", "x", "--interval", "0s").wait(exitUsage)
	start(t, "", "probe").wait(exitUsage)
}
