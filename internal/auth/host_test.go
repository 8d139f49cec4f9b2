package auth_test

import (
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Issue 14 §15: DNS rebinding is stopped on every address, not only on loopback.
func TestRebindingBeyondLoopback(t *testing.T) {
	t.Parallel()
	open := auth.Policy{Open: true, KnownHosts: true}
	named := auth.Policy{Open: true, KnownHosts: true, Hosts: []string{"intranet.example", "box:8080"}}
	ruled := auth.Policy{}
	ruledNamed := auth.Policy{Hosts: []string{"intranet.example"}}
	anyHost := auth.Policy{Open: true, KnownHosts: true, AnyHost: true}
	const wrong = maru.CodeWrongHost
	runChecks(t, map[string]check{
		"open: rebinding":                    {policy: open, host: "evil.example:3000", header: from("http://evil.example:3000"), code: wrong},
		"open: a name without an origin":     {policy: open, host: "evil.example:3000", code: wrong},
		"open: localhost":                    {policy: open, host: "localhost:3000"},
		"open: LOCALHOST":                    {policy: open, host: "LOCALHOST"},
		"open: localhost with a dot":         {policy: open, host: "localhost.:3000", code: wrong},
		"open: below localhost":              {policy: open, host: "a.localhost", code: wrong},
		"open: IPv4":                         {policy: open, host: "192.0.2.7:3000", header: from("http://192.0.2.7:3000")},
		"open: IPv4 with a dot":              {policy: open, host: "192.0.2.7.", code: wrong},
		"open: a short form of IPv4":         {policy: open, host: "127.1", code: wrong},
		"open: IPv4 as one number":           {policy: open, host: "2130706433", code: wrong},
		"open: IPv4 in octal":                {policy: open, host: "0300.0.2.7", code: wrong},
		"open: a name that begins like IPv4": {policy: open, host: "192.0.2.7.evil.example", code: wrong},
		"open: IPv6":                         {policy: open, host: "[2001:DB8::1]:3000"},
		"open: IPv6 with IPv4 in it":         {policy: open, host: "[::ffff:192.0.2.7]"},
		"open: IPv6 with a zone":             {policy: open, host: "[fe80::1%25eth0]:3000", code: wrong},
		"open: IPv6 without brackets":        {policy: open, host: "2001:db8::1", code: wrong},
		"open: a single label":               {policy: open, host: "maru:3000", code: wrong},

		"--host: the name":                  {policy: named, host: "intranet.example:3000", header: from("http://intranet.example:3000")},
		"--host: in capitals":               {policy: named, host: "Intranet.Example"},
		"--host: with a dot":                {policy: named, host: "intranet.example.", code: wrong},
		"--host: below the name":            {policy: named, host: "a.intranet.example", code: wrong},
		"--host: rebinding":                 {policy: named, host: "evil.example", header: from("http://evil.example"), code: wrong},
		"--host: with its port":             {policy: named, host: "box:8080"},
		"--host: with another port":         {policy: named, host: "box:8081", code: wrong},
		"--host: an address":                {policy: named, host: "192.0.2.7"},
		"--host: localhost":                 {policy: named, host: "localhost"},
		"--host and rules: the name":        {policy: ruledNamed, host: "intranet.example"},
		"--host and rules: rebinding":       {policy: ruledNamed, host: "evil.example", code: wrong},
		"--host and rules: an address":      {policy: ruledNamed, host: "10.0.0.5:3000"},
		"rules without --host: a name":      {policy: ruled, host: "push.example.com"},
		"--any-host: a name":                {policy: anyHost, host: "evil.example"},
		"--any-host: its own pages":         {policy: anyHost, host: "evil.example", header: from("http://evil.example")},
		"--any-host: pages of others":       {policy: anyHost, host: "evil.example", header: from("http://other.example"), code: refused},
		"--any-host on loopback: a name":    {policy: auth.Policy{Loopback: true, AnyHost: true}, host: "evil.example"},
		"loopback: an address of the house": {policy: auth.Policy{Loopback: true}, host: "192.0.2.7", code: wrong},
	})
}

// Health checks in HTTP/1.0 send no Host, and haproxy's default one is OPTIONS / (issue 15 §13). Nothing
// else is answered without one.
func TestProbesWithoutHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy auth.Policy
		method string
		path   string
		want   maru.Code
	}{
		{auth.Policy{Loopback: true}, "GET", "/healthz", ""},
		{auth.Policy{KnownHosts: true}, "GET", "/readyz", ""},
		{auth.Policy{Hosts: []string{"a.example"}}, "GET", "/readyz", ""},
		{auth.Policy{Loopback: true}, "GET", "/", maru.CodeWrongHost},
		{auth.Policy{KnownHosts: true}, "GET", "/metrics", maru.CodeWrongHost},
		{auth.Policy{KnownHosts: true}, "GET", "/healthz/", maru.CodeWrongHost},
		{auth.Policy{}, "GET", "/", ""},
		{auth.Policy{Loopback: true}, "OPTIONS", "/", ""},
		{auth.Policy{KnownHosts: true}, "POST", "/", maru.CodeWrongHost},
	} {
		tt.policy.Probes = []string{"/healthz", "/readyz"}
		r := check{}.request()
		r.Method, r.Host, r.URL.Path = tt.method, "", tt.path
		if _, err := newFilter(t, tt.policy).Check(r); code(err) != tt.want {
			t.Errorf("%s %s without Host by %+v: %v, want %q", tt.method, tt.path, tt.policy, err, tt.want)
		}
		r.Host = "evil.example"
		if _, err := newFilter(t, tt.policy).Check(r); tt.policy.KnownHosts && code(err) != maru.CodeWrongHost {
			t.Errorf("%s of a foreign name: %v, want %s", tt.path, err, maru.CodeWrongHost)
		}
	}
}
