package wtconn

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/moqlite/moqlite/transport"
)

// The headers in which the moq-lite version is negotiated.
const (
	offerHeader  = "Wt-Available-Protocols"
	answerHeader = "Wt-Protocol"
)

// formatOffer encodes protocols as a structured field list of strings.
func formatOffer(protocols []string) (string, error) {
	list := make(httpsfv.List, len(protocols))
	for i, p := range protocols {
		list[i] = httpsfv.NewItem(p)
	}
	return httpsfv.Marshal(list)
}

// parseOffer returns the versions that a client offers. It skips items that
// are not strings, and returns none if the header is not a list.
func parseOffer(h http.Header) []string {
	list, err := httpsfv.UnmarshalList(h[offerHeader])
	if err != nil {
		return nil
	}
	var protocols []string
	for _, member := range list {
		if item, ok := member.(httpsfv.Item); ok {
			if p, ok := item.Value.(string); ok {
				protocols = append(protocols, p)
			}
		}
	}
	return protocols
}

// parseAnswer returns the server's choice, which must be one of protocols.
func parseAnswer(h http.Header, protocols []string) (string, error) {
	offered := strings.Join(protocols, ", ")
	if len(h[answerHeader]) == 0 {
		return "", fmt.Errorf("%w: the server chose none (offered: %s)", transport.ErrNoCommonProtocol, offered)
	}
	item, err := httpsfv.UnmarshalItem(h[answerHeader])
	if err != nil {
		return "", fmt.Errorf("%w: the server's choice is malformed", transport.ErrNoCommonProtocol)
	}
	p, ok := item.Value.(string)
	if !ok || !slices.Contains(protocols, p) {
		return "", fmt.Errorf("%w: the server chose %v (offered: %s)", transport.ErrNoCommonProtocol, item.Value, offered)
	}
	return p, nil
}
