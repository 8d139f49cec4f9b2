package auth_test

import (
	"net/netip"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// The owners of idempotency keys: callers that are different never share one, and one that
// returns on another connection is the same.
func TestPublisher(t *testing.T) {
	t.Parallel()
	const here, there = "127.0.0.1", "127.0.0.9"
	type caller struct {
		who          auth.Identity
		secret, addr string
	}
	owner := func(c caller) (string, maru.KeyShare) {
		return c.who.Publisher(c.secret, netip.MustParseAddr(c.addr), c.addr == here)
	}
	different := map[string]caller{
		"API key":              {auth.Identity{Grant: &auth.Grant{Key: "kim"}}, "", here},
		"person":               {auth.Identity{User: "kim"}, "", here},
		"another person":       {auth.Identity{User: "lee"}, "", here},
		"session":              {auth.Identity{Session: "kim"}, "", here},
		"secret":               {auth.Identity{}, "kim", here},
		"another secret":       {auth.Identity{}, "lee", here},
		"address":              {auth.Identity{}, "", here},
		"another address":      {auth.Identity{}, "", there},
		"IPv6 network":         {auth.Identity{}, "", "2001:db8::1"},
		"another network":      {auth.Identity{}, "", "2001:db8:0:1::1"},
		"person like a secret": {auth.Identity{User: "secret:kim"}, "", here},
	}
	names := make(map[string]string)
	for name, c := range different {
		got, share := owner(c)
		if other, taken := names[got]; taken {
			t.Errorf("%s and %s are the same publisher %q", name, other, got)
		}
		names[got] = name
		want := maru.OneShare
		switch name {
		case "API key":
			want = maru.NoShare
		case "address":
			want = maru.AllShares
		}
		if share != want {
			t.Errorf("%s: share %v, want %v", name, share, want)
		}
	}
	for name, same := range map[string][2]caller{
		"a person elsewhere":         {{auth.Identity{User: "kim"}, "", here}, {auth.Identity{User: "kim", Session: "s"}, "x", there}},
		"a secret elsewhere":         {{auth.Identity{}, "kim", here}, {auth.Identity{}, "kim", there}},
		"an address of an IPv6 host": {{auth.Identity{}, "", "2001:db8::1"}, {auth.Identity{}, "", "2001:db8::2"}},
		"IPv4 in IPv6":               {{auth.Identity{}, "", here}, {auth.Identity{}, "", "::ffff:127.0.0.1"}},
	} {
		a, _ := owner(same[0])
		if b, _ := owner(same[1]); a != b {
			t.Errorf("%s: %q and %q", name, a, b)
		}
	}
}
