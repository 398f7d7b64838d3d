package wsconn

import (
	"io"
	"net"
	"net/http"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// An eofGuard is a connection whose Read returns qmux.ErrCut instead of io.EOF.
// The WebSocket library would take an io.EOF within a fragmented message for
// the end of the message.
type eofGuard struct{ net.Conn }

func (c eofGuard) Read(p []byte) (int, error) { return guardEOF(c.Conn.Read(p)) }

// guardEOF replaces io.EOF in the result of a Read by qmux.ErrCut.
func guardEOF(n int, err error) (int, error) {
	if err == io.EOF {
		err = qmux.ErrCut
	}
	return n, err
}

// An eofGuardTransport is a RoundTripper whose upgraded connections have
// eofGuard's Read.
type eofGuardTransport struct{ http.RoundTripper }

func (u eofGuardTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := u.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if body, ok := response.Body.(io.ReadWriteCloser); ok {
		response.Body = eofGuardBody{body}
	}
	return response, nil
}

// An eofGuardBody is the response body of an upgraded request, which is its
// connection.
type eofGuardBody struct{ io.ReadWriteCloser }

func (b eofGuardBody) Read(p []byte) (int, error) { return guardEOF(b.ReadWriteCloser.Read(p)) }
