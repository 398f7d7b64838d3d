//go:build unix

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// namespaced is set, to the path of cmd/moq, in a process that runs one test in
// a network namespace of its own.
const namespaced = "MOQ_INTEROP_NAMESPACE"

const getNetwork = "run apt-get install iproute2 util-linux, as root or where unprivileged user namespaces are allowed"

// inNamespace runs a test, or a subtest, in a network namespace of its own,
// which has only a loopback interface. It returns true there. There, its
// parallel subtests run all at once, since they mostly wait.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaced) != "" {
		return true
	}
	unshare := need(t, "unshare", getNetwork, "unshare")
	need(t, "ip", getNetwork, "ip")
	args := []string{"--net"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, "sh", "-c", `ip link set lo up && exec "$@"`, "sh",
		os.Args[0], "-test.v", "-test.count=1", "-test.parallel=8", "-test.run="+exactly(t.Name()))
	cmd := exec.Command(unshare, args...)
	cmd.Env = append(os.Environ(), namespaced+"="+binary)
	out, err := cmd.CombinedOutput()
	t.Logf("in a network namespace:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// exactly returns a pattern that matches only the test of a name.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// awaitNamespace waits until a program has a network namespace of its own.
func awaitNamespace(t *testing.T, p *process) {
	t.Helper()
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.cmd.Process.Pid))
		if err == nil && theirs != ours {
			return
		}
	}
	t.Fatalf("%v has no network namespace of its own", p)
}

// command runs a program to its end.
func command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
