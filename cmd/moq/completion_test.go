package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestPathsAreCompleted asks for completions as the shells do.
func TestPathsAreCompleted(t *testing.T) {
	transporttest.NoLeaks(t)
	mux := api.NewTrackMux()
	for _, path := range []api.BroadcastPath{"room/b", "room/a", "rooms", "other"} {
		if err := mux.Publish(t.Context(), path, api.TrackFuncs{}); err != nil {
			t.Fatal(err)
		}
	}
	url := "http://" + startServer(t, &impl.Server{Mux: mux}).String()
	for args, want := range map[string]string{
		"sub " + url + " roo":                        "room/a room/b rooms :4",
		"fetch --timeout 10s " + url + " room/":      "room/a room/b :4",
		"ls " + url + " room/a":                      "room/a :4",
		"sub " + url + " room/a data":                ":4",
		"sub http://127.0.0.1:1 --timeout 300ms roo": ":4",
		"sub nonsense roo":                           ":4",
		"ls " + url + " --token - roo":               "room/a room/b rooms :4",
		"ls " + url + " --version-only moq-lite-0":   "moq-lite-06 moq-lite-05 moq-lite-04 moq-lite-03 :4",
		"completion z":                               "zsh :4",
	} {
		c := start(t, "", append([]string{"__complete"}, strings.Fields(args)...)...)
		c.wait(exitDone)
		if got := strings.Join(strings.Fields(c.out.String()), " "); got != want {
			t.Errorf("%s: completed with %q, want %q", args, got, want)
		}
		if said := c.err.String(); strings.Contains(said, "moq:") {
			t.Errorf("%s: it says %s", args, said)
		}
	}
}

// TestCompletionScripts checks that each shell has a script, and that its own
// shell can read it where that is there.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells {
		c := start(t, "", "completion", shell)
		c.wait(exitDone)
		script := c.out.String()
		if !strings.Contains(script, "moq") || !strings.Contains(script, "__complete") {
			t.Errorf("%s: %.200s", shell, script)
		}
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(script)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, said)
			}
		}
	}
	for args, want := range map[string]string{"completion": "takes a shell", "completion zhs": "did you mean zsh?", "completion cmd": "there are bash"} {
		c := start(t, "", strings.Fields(args)...)
		c.wait(exitUsage)
		if said := c.err.String(); !strings.Contains(said, want) {
			t.Errorf("%s: it says %s", args, said)
		}
	}
	help := start(t, "", "help")
	help.wait(exitDone)
	if !strings.Contains(help.out.String(), "completion ") {
		t.Errorf("the help does not speak of it: %s", help.out)
	}
}

// TestPathsAreCompletedFromTheEnvironment: where no URL is typed, MOQ_URL stands for it
// in completions too, and MOQ_TOKEN and MOQ_CA for the token and the --ca.
func TestPathsAreCompletedFromTheEnvironment(t *testing.T) {
	transporttest.NoLeaks(t)
	certificate, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := api.NewTrackMux()
	for _, path := range []api.BroadcastPath{"room/b", "room/a"} {
		if err := mux.Publish(t.Context(), path, api.TrackFuncs{}); err != nil {
			t.Fatal(err)
		}
	}
	addr := startServer(t, &impl.Server{
		Mux: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Admit: func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			if r.Token != "se.cr.et" {
				return api.Grant{}, api.ErrUnauthorized
			}
			return api.GrantAll(), nil
		},
	})
	t.Setenv(urlVariable, "moqt://"+addr.String())
	t.Setenv(tokenVariable, "se.cr.et")
	t.Setenv(caVariable, ca)
	for args, want := range map[string]string{
		"sub roo":               "room/a room/b :4",
		"fetch room/":           "room/a room/b :4",
		"ls room/a":             "room/a :4",
		"sub room/a data":       ":4", // a track is no path
		"ls room/a roo":         ":4",
		"sub moqt://":           ":4", // it is the URL that is typed
		"sub moqt://elsewhere:": ":4",
	} {
		c := start(t, "", append([]string{"__complete"}, strings.Fields(args)...)...)
		c.wait(exitDone)
		if got := strings.Join(strings.Fields(c.out.String()), " "); got != want {
			t.Errorf("%s: completed with %q, want %q", args, got, want)
		}
	}
}
