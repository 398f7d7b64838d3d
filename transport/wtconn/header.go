package wtconn

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/moqlite/moqlite/transport"
)

// The headers that negotiate the version.
const (
	offerHeader  = "Wt-Available-Protocols"
	answerHeader = "Wt-Protocol"
)

// formatOffer is a list of strings, as the header has it.
func formatOffer(protocols []string) (string, error) {
	list := make(httpsfv.List, len(protocols))
	for i, p := range protocols {
		list[i] = httpsfv.NewItem(p)
	}
	return httpsfv.Marshal(list)
}

// parseOffer is what a client offers. What is no string is passed over; what is
// no list offers nothing.
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

// parseAnswer is the server's choice among protocols.
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
