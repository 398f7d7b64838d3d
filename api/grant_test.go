package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

func TestQueryToken(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "jwt=": "", "jwt=a": "a", "jwt=a&jwt=b": "b", "jwt=a&jwt=": "a", "x=1&jwt=a%2E&y": "a%2E",
		"JWT=a": "", "xjwt=a": "", "jwt": "", "jwt=a=b": "a=b", "jwt=a;jwt=b": "a;jwt=b",
	} {
		if got := api.QueryToken(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}

func TestGrants(t *testing.T) {
	recheck := func(context.Context) (api.Grant, error) { return api.Grant{}, nil }
	for name, g := range map[string]api.Grant{
		"all": api.GrantAll(), "nothing": {}, "elsewhere": {Root: "/", Publish: api.Patterns{"a"}},
		"rechecked": {Recheck: recheck, RecheckEvery: time.Second}, "expired": {Expires: time.Unix(1, 0)},
	} {
		if err := g.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if g.Empty() != (len(g.Publish) == 0 && len(g.Subscribe) == 0) {
			t.Errorf("%s: empty %v", name, g.Empty())
		}
	}
	deep := api.BroadcastPath("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32")
	for name, g := range map[string]api.Grant{
		"bad publish": {Publish: api.Patterns{"a//b"}}, "bad subscribe": {Subscribe: api.Patterns{"**/**"}},
		"root with *": {Root: "a*", Publish: api.Patterns{"b"}}, "root with * and nothing": {Root: "a*"},
		"too deep": {Root: deep, Publish: api.Patterns{"a"}}, "root too deep": {Root: deep + "/33"},
		"never rechecked": {Recheck: recheck}, "nothing to recheck": {RecheckEvery: time.Second},
	} {
		if err := g.Validate(); !errors.Is(err, api.ErrInvalidGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
