package mocks_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/mocks"
)

// TestWrongExpectation is run by TestWrongExpectationFailsAtOnce: it must fail.
func TestWrongExpectation(t *testing.T) {
	if os.Getenv("MOQ_WRONG_EXPECTATION") != "1" {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		dialer := mocks.NewMockDialer(gomock.NewController(t))
		dialer.EXPECT().Dial(gomock.Any(), "moqt://expected.example", gomock.Any()).Return(nil, api.ErrUnauthorized)
		go func() { _, _ = dialer.Dial(context.Background(), "moqt://called.example", nil) }()
		<-make(chan struct{}) // what an application does that waits for its dial
	})
}

func TestWrongExpectationFailsAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWrongExpectation$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), "MOQ_WRONG_EXPECTATION=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("the test passes")
	}
	if ctx.Err() != nil {
		t.Fatalf("the test hangs\n%s", out)
	}
	for _, text := range []string{"MockDialer.Dial", "moqt://called.example", "moqt://expected.example"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("the failure does not name %s\n%s", text, out)
		}
	}
}
