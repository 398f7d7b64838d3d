package wsconn

import (
	"io"
	"net"
	"net/http"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// A cuttable connection fails with qmux.ErrCut where it ends, so that nobody
// who reads from it takes its end for that of a message: the WebSocket library
// does, of a message in fragments.
type cuttable struct{ net.Conn }

func (c cuttable) Read(p []byte) (int, error) { return cut(c.Conn.Read(p)) }

// cut is the result of a Read whose end is none.
func cut(n int, err error) (int, error) {
	if err == io.EOF {
		err = qmux.ErrCut
	}
	return n, err
}

// cuttableUpgrade makes connections of upgraded requests cuttable.
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

// A cuttableBody is the connection of an upgraded request.
type cuttableBody struct{ io.ReadWriteCloser }

func (b cuttableBody) Read(p []byte) (int, error) { return cut(b.ReadWriteCloser.Read(p)) }
