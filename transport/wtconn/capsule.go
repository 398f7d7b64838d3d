package wtconn

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/h3code"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

const (
	// closeCapsule ends a session.
	closeCapsule http3.CapsuleType = 0x2843

	// maxReason is the longest reason of a close.
	maxReason = 1024
)

// appendClose appends the capsule that ends a session.
func appendClose(b []byte, code uint64, reason string) []byte {
	b = quicvarint.Append(b, uint64(closeCapsule))
	b = quicvarint.Append(b, uint64(4+len(reason)))
	b = binary.BigEndian.AppendUint32(b, uint32(min(code, maxCode)))
	return append(b, reason...)
}

// readClose reads the request's stream to the close that ends the session.
// Other capsules are passed over, however long. The end of the stream is a close
// with code 0.
func readClose(r io.Reader) *transport.ConnError {
	parser := http3.NewCapsuleParser(r)
	for {
		kind, body, err := parser.Next()
		if err == nil && kind == closeCapsule {
			return parseClose(body)
		}
		if err == nil {
			err = body.Discard()
		}
		switch {
		case err == io.EOF:
			return &transport.ConnError{Remote: true}
		case err != nil:
			return requestError(err)
		}
	}
}

// parseClose reads the capsule's body. What is too long of the reason is left
// out.
func parseClose(r io.Reader) *transport.ConnError {
	var code [4]byte
	if _, err := io.ReadFull(r, code[:]); err != nil {
		return requestError(err)
	}
	reason, err := io.ReadAll(io.LimitReader(r, maxReason))
	if err != nil {
		return requestError(err)
	}
	return &transport.ConnError{Code: uint64(binary.BigEndian.Uint32(code[:])), Reason: string(reason), Remote: true}
}

// requestError is the end of a session whose request's stream fails. A reset
// may carry a code of the session's.
func requestError(err error) *transport.ConnError {
	s, ok := errors.AsType[*quic.StreamError](err)
	if !ok {
		return connError(err)
	}
	if code, mapped := h3code.Decode(uint64(s.ErrorCode)); mapped {
		return &transport.ConnError{Code: code, Remote: s.Remote}
	}
	e := quicstream.Lost(err)
	e.Remote = s.Remote
	return e
}
