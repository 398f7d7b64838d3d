package quicconn_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"testing"
)

// quic-go complains to the standard logger if a socket's buffers are small. It
// must have nothing to say about ours, whatever the system allows.
func TestMain(m *testing.M) {
	var said bytes.Buffer
	log.SetOutput(&said)
	code := m.Run()
	if said.Len() > 0 {
		fmt.Fprintf(os.Stderr, "the standard logger was told: %s", said.String())
		code = 1
	}
	os.Exit(code)
}
