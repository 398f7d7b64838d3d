//go:build unix

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// peers is the directory of the other implementations' wrappers and of what
// they need.
var peers = filepath.Join("testdata", "peers")

// What to do about a program that is missing.
const (
	getNode     = "install Node.js 20 or later"
	getPackages = "run npm ci in impl/interop/testdata/peers, or set MOQ_PEERS to where its node_modules is"
	getPython   = "in impl/interop/testdata/peers, run python3 -m venv python/venv and " +
		"python/venv/bin/pip install -r python/requirements.txt -r python/requirements-front.txt, or set MOQ_PEERS to where python/venv is"
	getOpenSSL  = "install openssl, with which it makes certificates"
	getChromium = "run apt-get install chromium-headless-shell, or set CHROMIUM"
	getCLI      = "set MOQ_CLI to it, or put it on the PATH: cargo install moq-cli --version 0.14.10 --locked"
	getRelay    = "set MOQ_RELAY to it, or put it on the PATH: cargo install moq-relay --version 0.17.10 --locked"
)

// assemble copies the wrappers into dir, beside the packages installed in
// another directory: Node looks for packages in a script's directory.
func assemble(dir, from string) (string, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	scripts, err := filepath.Glob(filepath.Join(peers, "*", "*.*"))
	if err != nil {
		return "", err
	}
	for _, name := range append(scripts, filepath.Join(peers, "package.json")) {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, strings.TrimPrefix(name, peers))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644)); err != nil {
			return "", err
		}
	}
	for _, installed := range []string{"node_modules", filepath.Join("python", "venv")} {
		if err := os.Symlink(filepath.Join(from, installed), filepath.Join(dir, installed)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// chosen returns the program that an environment variable names, or else the
// usual ones.
func chosen(variable string, usual ...string) []string {
	if name := os.Getenv(variable); name != "" {
		return []string{name}
	}
	return usual
}

// need fails the test unless one of the programs or files is there.
func need(t *testing.T, what, how string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	t.Fatalf("%s is missing: %s", what, how)
	return ""
}

// moq starts our own command line.
func moq(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, binary, args...)
}

// node starts @moq/net on Node.
func node(t *testing.T, args ...string) *process {
	t.Helper()
	return script(t, "node/peer.mjs", args...)
}

// nodeServer starts @moq/net behind a QUIC server in Python.
func nodeServer(t *testing.T, args ...string) *process {
	t.Helper()
	venv(t)
	return node(t, append(args, "--front")...)
}

// chromium starts @moq/net in a headless Chromium.
func chromium(t *testing.T, args ...string) *process {
	t.Helper()
	return browser(t, "browser/run.mjs", args...)
}

// browser starts a program that drives a headless Chromium.
func browser(t *testing.T, name string, args ...string) *process {
	t.Helper()
	need(t, "Chromium", getChromium, chosen("CHROMIUM",
		"/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium", "/usr/bin/google-chrome")...)
	return script(t, name, args...)
}

func script(t *testing.T, name string, args ...string) *process {
	t.Helper()
	program := need(t, "Node.js", getNode, "node")
	need(t, "@moq/net", getPackages, filepath.Join(peers, "node_modules", "@moq", "net", "package.json"))
	return start(t, program, append([]string{filepath.Join(peers, name)}, args...)...)
}

// python starts moq-rs under Python.
func python(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, venv(t), append([]string{filepath.Join(peers, "python", "peer.py")}, args...)...)
}

func venv(t *testing.T) string {
	t.Helper()
	need(t, "openssl", getOpenSSL, "openssl")
	return need(t, "moq-rs", getPython, filepath.Join(peers, "python", "venv", "bin", "python"))
}

// moqRelay starts the Rust relay and returns its address.
func moqRelay(t *testing.T, args ...string) (addr string, relay *process) {
	t.Helper()
	addr = freePort(t)
	return addr, moqRelayAt(t, addr, args...)
}

// moqRelayAt starts the Rust relay at an address.
func moqRelayAt(t *testing.T, addr string, args ...string) *process {
	t.Helper()
	program := need(t, "moq-relay", getRelay, relayBinaries()...)
	relay := start(t, program, append(relayArgs(addr), args...)...)
	fingerprintAt(t, addr) // its web server starts last
	return relay
}

// relayBinaries returns where the Rust relay may be.
func relayBinaries() []string {
	return chosen("MOQ_RELAY", "moq-relay", "../../../shared/peers/bin/moq-relay")
}

// relayArgs returns the arguments with which the Rust relay listens and accepts
// everyone.
func relayArgs(addr string) []string { return append(listenArgs(addr), "--auth-public", "**") }

// listenArgs returns those with which it listens.
func listenArgs(addr string) []string {
	return []string{"--listen", addr, "--listen-tls-generate", "localhost", "--web-http-listen", addr}
}

// ourRelay starts moq relay, restricted to a version unless that is empty.
func ourRelay(t *testing.T, version string, rest ...string) (addr string, relay *process) {
	t.Helper()
	args := append([]string{"relay", "--listen", "127.0.0.1:0", "--json"}, rest...)
	if version != "" {
		args = append(args, "--version-only", version)
	}
	relay = moq(t, args...)
	return strings.TrimPrefix(relay.expect("ready")["url"].(string), "https://"), relay
}

// fingerprintAt returns the fingerprint of a server's certificate. It waits for
// the server to start.
func fingerprintAt(t *testing.T, addr string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		fingerprint, err := get(ctx, "http://"+addr+"/certificate.sha256")
		if err == nil {
			return fingerprint
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nothing answers at %s: %v", addr, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return strings.TrimSpace(string(body)), err
}

// lastPort counts up from below the range of ports that systems give to
// clients, so that no client gets one before its server does.
var lastPort atomic.Int32

// freePort returns a port that is free for UDP and TCP on the loopback address.
func freePort(t *testing.T) string {
	t.Helper()
	lastPort.CompareAndSwap(0, 20_000+int32(os.Getpid()%8_000))
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1))
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		_ = tcp.Close()
		if err != nil {
			continue
		}
		_ = udp.Close()
		return addr
	}
	t.Fatal("no free port")
	return ""
}
