package quicconn_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"testing"
)

// quic-go complains to the standard logger if the buffers of a socket are
// small. It must not do so for the sockets of this package, whatever the
// system allows.
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
