//go:build unix

package interop_test

import (
	"path/filepath"
	"testing"
)

// browserPublishes has @moq/publish, in Chromium, publish as the film a camera
// and a microphone that Chromium makes up, until the test ends.
func browserPublishes(t *testing.T, addr string) {
	t.Helper()
	need(t, "@moq/publish", getPackages, filepath.Join(peers, "node_modules", "@moq", "publish", "package.json"))
	browser(t, "browser/publish.mjs", "--url", "https://"+addr, "--name", film, "--fingerprint", fingerprintAt(t, addr),
		"--seconds", "600", "--timeout", "660").expect("publishing")
}

// TestBrowserPublishes reads the catalogs of what a browser publishes through our
// relay, until one has pictures and sound: renditions come as they begin.
func TestBrowserPublishes(t *testing.T) {
	addr, _ := ourRelay(t, "")
	browserPublishes(t, addr)
	catalogs := moq(t, "catalog", "https://"+addr, film, "--insecure", "--json", "--watch")
	for video, audio := 0, 0; video == 0 || audio == 0; {
		c := catalogs.expect("catalog")["catalog"].(map[string]any)
		video, audio = renditions(c["video"]), renditions(c["audio"])
	}
}

// renditions counts those of a part of a catalog.
func renditions(part any) int {
	object, _ := part.(map[string]any)
	all, _ := object["renditions"].(map[string]any)
	return len(all)
}
