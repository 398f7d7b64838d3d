package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
)

var sentinels = []error{
	api.ErrClosed, api.ErrClientClosed, api.ErrServerClosed, api.ErrSessionClosed, api.ErrGoingAway, api.ErrNotFound,
	api.ErrUnauthorized, api.ErrUnsupportedVersion, api.ErrUnsupportedScheme, api.ErrDuplicatePath, api.ErrFrameTooLarge,
	api.ErrDatagramTooLarge, api.ErrTooFarBehind, api.ErrNotSupported, api.ErrUnavailable, api.ErrInvalidGrant,
}

// TestWhatMatchesWhat checks each code against every sentinel.
func TestWhatMatchesWhat(t *testing.T) {
	streams := map[api.StreamErrorCode]error{
		3: api.ErrSessionClosed, 4: api.ErrGoingAway, 5: api.ErrTooFarBehind, 0x32: api.ErrFrameTooLarge,
		0x33: api.ErrNotFound, 0x34: api.ErrTooFarBehind, 0x35: api.ErrTooFarBehind, 0x36: api.ErrNotFound,
		0x38: api.ErrFrameTooLarge, 0x3a: api.ErrUnauthorized,
	}
	sessions := map[api.SessionErrorCode]error{
		2: api.ErrUnauthorized, 0x10: api.ErrGoingAway, 0x15: api.ErrUnsupportedVersion, 0x236: api.ErrUnavailable,
	}
	for code := range api.StreamErrorCode(70) {
		err := fmt.Errorf("wrapped: %w", &api.StreamError{Code: code, Remote: true})
		for _, s := range sentinels {
			if got, want := errors.Is(err, s), s == streams[code]; got != want {
				t.Errorf("stream code %#x is %q: %v", uint64(code), s, got)
			}
		}
		if api.ErrorCode(err) != code {
			t.Errorf("ErrorCode of %v is %v", err, api.ErrorCode(err))
		}
	}
	for code := range api.SessionErrorCode(0x240) {
		err := fmt.Errorf("wrapped: %w", &api.SessionError{Code: code})
		for _, s := range sentinels {
			if got, want := errors.Is(err, s), s == sessions[code] || s == api.ErrSessionClosed; got != want {
				t.Errorf("session code %#x is %q: %v", uint64(code), s, got)
			}
		}
	}
}

// TestLossIsNoEnd: a lost session matches what caused the loss, but not io.EOF.
func TestLossIsNoEnd(t *testing.T) {
	cause := &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("%w after %w", io.EOF, net.ErrClosed)}
	for _, err := range []error{
		&api.SessionError{Err: cause},
		&api.SessionError{Err: &api.DialError{Err: cause}},
		&api.DialError{Err: fmt.Errorf("%w and %w", io.ErrUnexpectedEOF, cause)},
	} {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%#v matches an end", err)
		}
		op, ok := errors.AsType[*net.OpError](err)
		if !errors.Is(err, net.ErrClosed) || !ok || op != cause || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("%v has lost its cause", err)
		}
	}
}

func TestErrorCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want api.StreamErrorCode
	}{
		{nil, api.StreamCancelled},
		{context.Canceled, api.StreamCancelled},
		{api.ErrClosed, api.StreamCancelled},
		{context.DeadlineExceeded, api.StreamDeliveryTimeout},
		{fmt.Errorf("no: %w", api.ErrNotFound), api.StreamNotFound},
		{api.ErrUnauthorized, api.StreamUnauthorized},
		{api.ErrGoingAway, api.StreamGoingAway},
		{api.ErrTooFarBehind, api.StreamOld},
		{api.ErrFrameTooLarge, api.StreamFrameTooLarge},
		{&api.SessionError{Code: api.SessionInternal}, api.StreamSessionClosed},
		{errors.New("anything"), api.StreamInternal},
	} {
		if got := api.ErrorCode(test.err); got != test.want {
			t.Errorf("ErrorCode(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}
