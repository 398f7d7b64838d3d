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
	// closeCapsule is the type of the capsule that ends a session.
	closeCapsule http3.CapsuleType = 0x2843

	// maxReason is the length of the longest reason in it, in bytes.
	maxReason = 1024
)

// appendClose appends the capsule that ends a session.
func appendClose(b []byte, code uint64, reason string) []byte {
	b = quicvarint.Append(b, uint64(closeCapsule))
	b = quicvarint.Append(b, uint64(4+len(reason)))
	b = binary.BigEndian.AppendUint32(b, uint32(min(code, maxCode)))
	return append(b, reason...)
}

// readClose reads the request's stream until the session ends. It skips other
// capsules, whatever their length. The end of the stream counts as a close
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

// parseClose reads the body of the capsule. It ignores the part of the reason
// that is beyond maxReason.
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

// requestError makes the error of a session whose request's stream has failed.
// If the peer reset it with a mapped code, that is the session's code.
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
