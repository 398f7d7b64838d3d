package wsconn

import (
	"io"
	"net"
	"net/http"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// A cuttable is a connection whose Read returns qmux.ErrCut instead of io.EOF.
// The WebSocket library would take an io.EOF within a fragmented message for
// the end of the message.
type cuttable struct{ net.Conn }

func (c cuttable) Read(p []byte) (int, error) { return cut(c.Conn.Read(p)) }

// cut replaces io.EOF in the result of a Read by qmux.ErrCut.
func cut(n int, err error) (int, error) {
	if err == io.EOF {
		err = qmux.ErrCut
	}
	return n, err
}

// A cuttableUpgrade is a RoundTripper whose upgraded connections are cuttable.
type cuttableUpgrade struct{ http.RoundTripper }

func (u cuttableUpgrade) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := u.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if body, ok := response.Body.(io.ReadWriteCloser); ok {
		response.Body = cuttableBody{body}
	}
	return response, nil
}

// A cuttableBody is the response body of an upgraded request, which is its
// connection.
type cuttableBody struct{ io.ReadWriteCloser }

func (b cuttableBody) Read(p []byte) (int, error) { return cut(b.ReadWriteCloser.Read(p)) }
